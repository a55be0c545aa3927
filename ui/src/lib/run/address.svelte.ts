/** The address of a run's page follows what the reader chose, and the choice follows an address that others wrote. */
import { untrack } from 'svelte'
import { router } from '../router.svelte'
import type { RunView } from './view.svelte'

/** A key held down would write it more often than browsers allow. */
const PAUSE_MS = 250

/** For a component's setup. */
export function keepInAddress(view: RunView): void {
  let mine = ''

  // A link, or the way back.
  $effect(() => {
    const search = router.search
    if (search.toString() !== mine) untrack(() => view.readFrom(search))
  })

  $effect(() => {
    const written = view.written
    const timer = setTimeout(() => {
      router.set(written, true)
      mine = router.search.toString()
    }, PAUSE_MS)
    return () => clearTimeout(timer)
  })
}
