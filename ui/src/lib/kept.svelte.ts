/** An answer of the server that stays on the screen until the next one is here, and when that one fails.
 *
 *  Made while a component is: asked again when the language changes or the server is back, ended with the component.
 */
import { untrack } from 'svelte'
import { isAbort, Problem } from './api'
import { connection } from './connection.svelte'
import { prefs } from './prefs.svelte'
import { Throttle } from './throttle'

export class Kept<T> {
  value = $state.raw<T | null>(null)
  problem = $state.raw<Problem | null>(null)
  unreachable = $state(false)
  busy = $state(false)
  #ask: ((signal: AbortSignal) => Promise<T>) | null = null
  #control: AbortController | null = null
  #throttle: Throttle

  /** `took`: what the last answer cost, in milliseconds. */
  constructor(took?: (value: T) => number) {
    this.#throttle = new Throttle(() => this.again(), () => (took && this.value !== null ? took(this.value) : 0))
    let first = true
    $effect(() => {
      void prefs.language // what the server says in words
      void connection.returns
      if (!first) untrack(() => this.again())
      first = false
    })
    $effect(() => () => {
      this.#control?.abort()
      this.#throttle.stop()
    })
  }

  /** Ask; an answer to an earlier question is not waited for any more. */
  async load(ask: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#ask = ask
    this.#control?.abort()
    const control = (this.#control = new AbortController())
    this.busy = true
    this.#throttle.began()
    try {
      const value = await ask(control.signal)
      if (control !== this.#control) return
      this.value = value
      this.problem = null
      this.unreachable = false
    } catch (reason) {
      if (isAbort(reason) || control !== this.#control) return
      if (reason instanceof Problem) this.problem = reason
      else this.unreachable = true
    }
    this.busy = false
    this.#throttle.ended()
  }

  /** The same question again. */
  again(): void {
    if (this.#ask) void this.load(this.#ask)
  }

  /** Ask again whenever something happens that matches `q`. Returns what ends it. */
  watch(q: string): () => void {
    return connection.hear(q, () => this.#throttle.soon())
  }
}
