/** A server whose answers come when a test gives them, and whose stream of events a test feeds. */
import { vi } from 'vitest'

interface Question {
  path: string
  give: (body: unknown) => void
  aborted: boolean
}

export class HeldServer {
  /** What was asked and not answered yet. */
  readonly asked: Question[] = []
  /** Opens the stream. */
  open: (() => void) | null = null
  #stream: ReadableStreamDefaultController<Uint8Array> | null = null

  constructor() {
    vi.stubGlobal('document', { hidden: false, addEventListener: () => undefined, removeEventListener: () => undefined })
    vi.stubGlobal('fetch', (address: string, { signal }: RequestInit) => this.#ask(address, signal))
  }

  #ask(address: string, signal: AbortSignal | null | undefined): Promise<Response> {
    if (address.includes('/status')) return Promise.resolve(Response.json({}))
    return new Promise((resolve, reject) => {
      const question = { path: address, aborted: false, give: (body: unknown) => resolve(Response.json(body)) }
      signal?.addEventListener('abort', () => {
        question.aborted = true
        reject(new DOMException('told to stop', 'AbortError'))
      })
      if (address.includes('/live')) {
        const body = new ReadableStream<Uint8Array>({ start: (stream) => void (this.#stream = stream) })
        this.open = () => resolve(new Response(body))
      } else this.asked.push(question)
    })
  }

  /** The oldest question that waits; once more time has passed where none does. */
  async next(): Promise<Question> {
    for (let i = 0; !this.asked.length && i < 100; i++) await vi.advanceTimersByTimeAsync(100)
    return this.asked.shift()!
  }

  /** Something happened. */
  async tell(): Promise<void> {
    this.#stream!.enqueue(new TextEncoder().encode('id: 1\nevent: events\ndata: {"events":[{"instance":"gpu-1"}]}\n\n'))
    await vi.advanceTimersByTimeAsync(0)
  }
}
