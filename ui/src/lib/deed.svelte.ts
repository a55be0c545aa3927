/** Something that the server is asked to do: whether it is about it, and why it was not done. */
import { whyNot } from './refusal'

export class Deed {
  busy = $state(false)
  why = $state('')

  /** Do it. Whatever goes wrong meanwhile is said in `why`. */
  async attempt(work: () => Promise<void>): Promise<void> {
    this.busy = true
    this.why = ''
    try {
      await work()
    } catch (reason) {
      this.why = whyNot(reason)
    }
    this.busy = false
  }
}
