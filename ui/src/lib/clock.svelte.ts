/** The present, for "5 s ago": ticks only while somebody looks. */
class Clock {
  now = $state(Date.now())
  #timer: ReturnType<typeof setInterval> | undefined

  constructor() {
    if (typeof document === 'undefined') return
    const run = (): void => {
      clearInterval(this.#timer)
      if (document.hidden) return
      this.now = Date.now()
      this.#timer = setInterval(() => (this.now = Date.now()), 1000)
    }
    document.addEventListener('visibilitychange', run)
    run()
  }
}

export const present = new Clock()
