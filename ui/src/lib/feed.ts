/** Following new events: one stream, closed while the page is hidden and resumed where it ended.
 *
 *  A browser gives one host six HTTP/1.1 connections for all its tabs: a hidden tab must not hold one.
 */
import { address, inOurLanguage, Problem, type LogEvent } from './api'
import { SseParser, type Message } from './sse'

export type FeedState = 'connecting' | 'open' | 'waiting' | 'paused'

export interface FeedHandlers {
  onevents(events: LogEvent[], dropped: number): void
  /** The query is refused: the stream stays closed. */
  onproblem?(problem: Problem): void
  /** Whenever it is `open`, what happened just before may be neither in the stream nor in an answer that was asked for earlier. */
  onstate?(state: FeedState): void
}

const BACKOFF_MS = [250, 500, 1000, 2000, 5000]
/** The server sends a comment at least this often; a longer silence is a dead connection. */
const SILENCE_MS = 60_000

/** Follow what matches `q` from now on. Returns what ends it. */
export function follow(q: string, handlers: FeedHandlers): () => void {
  let last: string | null = null
  let failures = 0
  let ended = false
  let current: AbortController | null = null
  let retry: ReturnType<typeof setTimeout> | undefined

  function take(message: Message): void {
    if (message.id !== null) last = message.id
    if (message.event === 'events') {
      const body = JSON.parse(message.data) as { events: LogEvent[]; dropped?: number }
      handlers.onevents(body.events, body.dropped ?? 0)
    } else if (message.event === 'problem') refuse(Problem.from(JSON.parse(message.data), 400))
  }

  function refuse(problem: Problem): void {
    end()
    handlers.onproblem?.(problem)
  }

  async function read(control: AbortController): Promise<void> {
    const headers = inOurLanguage('text/event-stream')
    if (last !== null) headers['Last-Event-ID'] = last
    const answer = await fetch(address('/live', { q }), { headers, signal: control.signal, cache: 'no-store' })
    if (answer.status >= 400 && answer.status < 500) return refuse(Problem.from(await answer.json().catch(() => null), answer.status))
    if (!answer.ok || !answer.body) throw new Error(`HTTP ${answer.status}`)
    failures = 0
    handlers.onstate?.('open')
    const parser = new SseParser()
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const silence = setTimeout(() => control.abort(), SILENCE_MS)
      const { done, value } = await reader.read().finally(() => clearTimeout(silence))
      if (done || control !== current) return
      for (const message of parser.push(value)) take(message)
    }
  }

  function connect(): void {
    clearTimeout(retry)
    if (ended || current || document.hidden) return
    const control = (current = new AbortController())
    handlers.onstate?.('connecting')
    read(control)
      .catch(() => undefined) // whatever broke the stream, the answer is to open it again
      .finally(() => {
        if (control !== current) return
        current = null
        if (ended) return
        handlers.onstate?.('waiting')
        retry = setTimeout(connect, BACKOFF_MS[Math.min(failures++, BACKOFF_MS.length - 1)])
      })
  }

  function visibility(): void {
    if (!document.hidden) return connect()
    clearTimeout(retry)
    const open = current
    current = null
    open?.abort()
    handlers.onstate?.('paused')
  }

  function end(): void {
    ended = true
    clearTimeout(retry)
    document.removeEventListener('visibilitychange', visibility)
    const open = current
    current = null
    open?.abort()
  }

  document.addEventListener('visibilitychange', visibility)
  connect()
  return end
}
