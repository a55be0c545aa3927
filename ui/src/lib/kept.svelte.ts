/** An answer of the server that stays on the screen until the next one is here, and when that one fails.
 *
 *  Made while a component is: asked again when the language changes or the server is back, ended with the component.
 */
import { untrack } from 'svelte'
import { isAbort, Problem } from './api'
import { connection } from './connection.svelte'
import { follow } from './feed'
import { prefs } from './prefs.svelte'

/** However much happens, ask once a second at most. */
const THROTTLE_MS = 1_000

export class Kept<T> {
  value = $state.raw<T | null>(null)
  problem = $state.raw<Problem | null>(null)
  unreachable = $state(false)
  busy = $state(false)
  #ask: ((signal: AbortSignal) => Promise<T>) | null = null
  #control: AbortController | null = null
  #asked = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Something happened while an answer was on its way, which may not know of it. */
  #old = false

  constructor() {
    let first = true
    $effect(() => {
      void prefs.language // what the server says in words
      void connection.returns
      if (!first) untrack(() => this.again())
      first = false
    })
    $effect(() => () => {
      this.#control?.abort()
      clearTimeout(this.#timer)
    })
  }

  /** Ask; an answer to an earlier question is not waited for any more. */
  async load(ask: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#ask = ask
    this.#control?.abort()
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#old = false
    const control = (this.#control = new AbortController())
    this.busy = true
    this.#asked = Date.now()
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
    if (this.#old) this.#soon()
  }

  /** The same question again. */
  again(): void {
    if (this.#ask) void this.load(this.#ask)
  }

  #soon(): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        if (document.hidden) return
        // An answer on its way is waited for: where each takes longer than the throttle, none would ever come.
        if (this.busy) this.#old = true
        else this.again()
      },
      Math.max(0, this.#asked + THROTTLE_MS - Date.now()),
    )
  }

  /** Ask again whenever something happens that matches `q`, and once when we begin to hear of it. Returns what ends it. */
  watch(q: string): () => void {
    const end = follow(q, {
      onevents: () => this.#soon(),
      onstate: (state) => {
        connection.feed(state)
        if (state === 'open') this.#soon()
      },
    })
    return () => {
      end()
      connection.feed(null)
    }
  }
}
