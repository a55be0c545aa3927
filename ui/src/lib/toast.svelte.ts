/** A short word about what was just done. */
const SHOWN_MS = 2200

class Toast {
  text = $state('')
  #timer: ReturnType<typeof setTimeout> | undefined

  say(text: string): void {
    this.text = text
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => (this.text = ''), SHOWN_MS)
  }
}

export const toast = new Toast()
