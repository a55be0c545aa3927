/** How many alerts fire, for the side bar: asked each time the server is looked for, and told by a page that knows. */
import { get, isAbort, Problem, Unreachable } from './api'
import type { AlertListing } from './alerts'

class Firing {
  count = $state(0)
  #control: AbortController | null = null

  async ask(): Promise<void> {
    this.#control?.abort()
    const { signal } = (this.#control = new AbortController())
    try {
      this.tell(await get<AlertListing>('/alerts', { status: 'firing', limit: 1 }, signal))
    } catch (reason) {
      // The connection tells when there is no server; what was known stays.
      if (!isAbort(reason) && !(reason instanceof Problem) && !(reason instanceof Unreachable)) throw reason
    }
  }

  tell({ counts }: Pick<AlertListing, 'counts'>): void {
    this.count = counts.firing
  }
}

export const firing = new Firing()
