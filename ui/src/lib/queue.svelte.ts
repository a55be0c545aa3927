/** What ComfyUI works on now and what waits, kept fresh while somebody looks. */
import { get, isAbort } from './api'
import type { Queue } from './runs'

const BUSY_MS = 2_000
const IDLE_MS = 15_000
/** No server is kept busy with this more than a fifth of the time. */
const REST = 5
/** Many runs may begin and end at once: they are one question. */
const SOON_MS = 400

export class LiveQueue {
  queue = $state.raw<Queue | null>(null)
  #control: AbortController | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #due = 0

  async load(): Promise<void> {
    this.#control?.abort()
    const control = (this.#control = new AbortController())
    clearTimeout(this.#timer)
    this.#due = 0
    try {
      this.queue = await get<Queue>('/queue', {}, control.signal)
    } catch (reason) {
      // The last answer stays; the connection tells when there is no server.
      if (isAbort(reason)) return
    }
    const busy = this.queue?.instances.some(({ running, pending }) => running.length || pending.length)
    this.#later(Math.max(busy ? BUSY_MS : IDLE_MS, REST * (this.queue?.took_ms ?? 0)))
  }

  /** A run began or ended. */
  soon(): void {
    this.#later(SOON_MS)
  }

  #later(ms: number): void {
    const due = Date.now() + ms
    if (this.#due && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => {
      this.#due = 0
      if (document.hidden) this.#later(BUSY_MS)
      else void this.load()
    }, ms)
  }

  end(): void {
    this.#control?.abort()
    clearTimeout(this.#timer)
  }
}
