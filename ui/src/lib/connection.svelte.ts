/** Whether there is a server, and what it says of itself. */
import { get, isAbort, Unreachable, type Status } from './api'
import { follow, type FeedHandlers, type FeedState } from './feed'

export type ConnectionState = 'connecting' | 'connected' | 'live' | 'reconnecting' | 'gone'

const EVERY_MS = 10_000
const RETRY_MS = 2_000
/** Failures in a row after which we say that the server is gone, not merely slow. */
const PATIENCE = 4

class Connection {
  status = $state.raw<Status | null>(null)
  #failures = $state(0)
  #asked = $state(false)
  #feed = $state<FeedState | null>(null)
  /** Goes up each time the server came back: pages load again. */
  returns = $state(0)
  #timer: ReturnType<typeof setTimeout> | undefined
  #busy: AbortController | null = null

  state: ConnectionState = $derived.by(() => {
    if (!this.#asked) return 'connecting'
    if (this.#failures >= PATIENCE) return 'gone'
    if (this.#failures || this.#feed === 'waiting') return 'reconnecting'
    return this.#feed === 'open' ? 'live' : 'connected'
  })

  start(): void {
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.check()
    })
    void this.check()
  }

  /** Follow what happens that matches `q`: the page's one stream. Returns what ends it. */
  follow(q: string, handlers: FeedHandlers): () => void {
    const end = follow(q, {
      ...handlers,
      onstate: (state) => {
        this.#feed = state
        if (state === 'waiting') void this.check()
        handlers.onstate?.(state)
      },
    })
    return () => {
      end()
      this.#feed = null
    }
  }

  /** Be called soon after something happened that matches `q`, and once when we begin to hear of it: an answer that was asked for
   *  earlier may not know of what happened just before. Returns what ends it. */
  hear(q: string, soon: () => void): () => void {
    return this.follow(q, { onevents: soon, onstate: (state) => void (state === 'open' && soon()) })
  }

  async check(): Promise<void> {
    if (this.#busy) return
    clearTimeout(this.#timer)
    const control = (this.#busy = new AbortController())
    const patience = setTimeout(() => control.abort(), EVERY_MS)
    try {
      this.status = await get<Status>('/status', {}, control.signal)
      if (this.#failures) this.returns++
      this.#failures = 0
    } catch (reason) {
      // A server that answers with an error is there all the same.
      if (reason instanceof Unreachable || isAbort(reason)) this.#failures++
    }
    clearTimeout(patience)
    this.#asked = true
    this.#busy = null
    if (!document.hidden) this.#timer = setTimeout(() => void this.check(), this.#failures ? RETRY_MS : EVERY_MS)
  }
}

export const connection = new Connection()
