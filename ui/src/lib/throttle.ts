/** When to ask the server again after something happened.
 *
 *  However much happens, once a second at most, and no server is kept busy more than a fifth of the time. An answer on its way is
 *  waited for: where each takes longer than the pause, none would ever come. It may not know of what happened meanwhile, so the
 *  question is asked once more after it.
 */
const LEAST_MS = 1_000
const REST = 5
/** What takes longer will not come: the server answers within half of it, but a connection may break without a word. */
export const PATIENCE_MS = 60_000

export class Throttle {
  #began = 0
  #busy = false
  #missed = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `took`: what the last answer cost, in milliseconds. */
  constructor(
    private readonly ask: () => void,
    private readonly took: () => number = () => 0,
  ) {}

  /** A question is asked: what was planned is done with it. */
  began(): void {
    this.stop()
    this.#busy = true
    this.#began = Date.now()
  }

  /** Its answer is here, or will not come. */
  ended(): void {
    this.#busy = false
    if (this.#missed) this.soon()
  }

  /** Something happened. */
  soon(): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        if (!document.hidden) this.now()
      },
      Math.max(0, this.#began + Math.max(LEAST_MS, REST * this.took()) - Date.now()),
    )
  }

  /** As soon as no answer is on its way any more. */
  now(): void {
    if (this.#busy && Date.now() < this.#began + PATIENCE_MS) this.#missed = true
    else this.ask()
  }

  /** What was planned is not needed any more. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#missed = false
  }
}
