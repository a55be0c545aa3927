/** Following failures as they happen, without asking more than the answer costs. */
import { connection } from './connection.svelte'
import { follow } from './feed'

/** However many failures there are, the page asks once a second at most, and keeps no server busy more than a fifth of the time. */
const THROTTLE_MS = 1_000
const REST = 5

/** Has `kept` ask again soon after failures that match `q`, and once when we begin to hear of them: the page has just asked.
 *  `took` is what the last answer cost, in ms. Returns what ends it. */
export function watchErrors(q: string, kept: { busy: boolean; again: () => void }, took: () => number): () => void {
  let asked = Date.now()
  let timer: ReturnType<typeof setTimeout> | undefined
  function soon(): void {
    timer ??= setTimeout(
      () => {
        timer = undefined
        if (document.hidden) return
        asked = Date.now()
        // An answer on its way is waited for: where each takes longer than the pause, none would ever come.
        if (kept.busy) soon()
        else kept.again()
      },
      Math.max(0, asked + Math.max(THROTTLE_MS, REST * took()) - Date.now()),
    )
  }
  const end = follow(q, {
    onevents: soon,
    onstate: (state) => {
      connection.feed(state)
      if (state === 'open') soon()
    },
  })
  return () => {
    end()
    clearTimeout(timer)
    connection.feed(null)
  }
}
