/** Following failures as they happen, without asking more than the answer costs. */
import { connection } from './connection.svelte'
import { follow } from './feed'

/** However many failures there are, the page asks once a second at most, and keeps no server busy more than a fifth of the time. */
const THROTTLE_MS = 1_000
const REST = 5

/** Calls `again` soon after failures that match `q`; `took` is what the last answer cost, in ms. Returns what ends it. */
export function watchErrors(q: string, again: () => void, took: () => number): () => void {
  let asked = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  function soon(): void {
    timer ??= setTimeout(
      () => {
        timer = undefined
        if (document.hidden) return
        asked = Date.now()
        again()
      },
      Math.max(0, asked + Math.max(THROTTLE_MS, REST * took()) - Date.now()),
    )
  }
  const end = follow(q, { onevents: soon, onagain: soon, onstate: (state) => connection.feed(state) })
  return () => {
    end()
    clearTimeout(timer)
    connection.feed(null)
  }
}
