/** Server-sent events out of a stream of text (HTML standard, §9.2.6), for `fetch`: EventSource cannot be told where to
 *  resume after we closed it ourselves. */

export interface Message {
  id: string | null
  event: string
  data: string
}

export class SseParser {
  #rest = ''
  #id: string | null = null
  #event = ''
  #data: string[] = []

  /** The messages that `chunk` completes. */
  push(chunk: string): Message[] {
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop()!
    const messages: Message[] = []
    for (const line of lines) {
      if (line === '') {
        if (this.#data.length) messages.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') })
        this.#event = ''
        this.#data = []
      } else this.#field(line)
    }
    return messages
  }

  #field(line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) return // a comment: the heartbeat
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#event = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
  }
}
