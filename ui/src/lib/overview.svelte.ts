/** What the overview shows, kept fresh while somebody looks. */
import {
  get,
  isAbort,
  Problem,
  type EventPage,
  type HistogramData,
  type LogEvent,
  type NodeFigures,
  type OverviewData,
} from './api'
import type { Alert, AlertListing } from './alerts'
import { connection } from './connection.svelte'
import { firing } from './firing.svelte'
import { resolve, type Range } from './range'
import { PATIENCE_MS } from './throttle'

/** What Safelight writes about itself is no sign of life of a service. */
export const OTHERS = '-service:safelight'
export const ERRORS = `level:(ERROR OR CRITICAL) ${OTHERS}`
/** One stream for all of the page. */
const FOLLOWED = `(${ERRORS}) OR event:(run_* OR instance_* OR worker_*)`

const ERRORS_SHOWN = 8
const FRESH_MS = 60_000
const REFRESH_MS = 15_000
/** After an error the figures follow soon, but a storm of errors asks for them once. */
const SOON_MS = 1_000

export class Overview {
  figures = $state.raw<OverviewData | null>(null)
  histogram = $state.raw<HistogramData | null>(null)
  nodes = $state.raw<NodeFigures[]>([])
  alerts = $state.raw<Alert[]>([])
  errors = $state.raw<LogEvent[]>([])
  /** Errors that happened while somebody looked: an old log that is being read is no news. */
  fresh = $state.raw<ReadonlySet<string>>(new Set())
  /** Nothing but our own events has ever arrived; null until we know. */
  empty = $state<boolean | null>(null)
  /** The first event, on a page that was empty. */
  first = $state.raw<LogEvent | null>(null)
  failure = $state('')
  #control: AbortController | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #due = 0
  #range: Range | null = null
  #streamed: LogEvent[] = []
  /** When the question was asked whose answer is on its way; 0 when none is. */
  #asked = 0

  /** Load for `range`, and again whenever the figures age. */
  async load(range: Range): Promise<void> {
    this.#range = range
    this.#control?.abort()
    clearTimeout(this.#timer)
    this.#timer = undefined
    const control = (this.#control = new AbortController())
    this.#asked = Date.now()
    const { signal } = control
    const span = resolve(range, Date.now(), '24h')
    const at = { from: span.start.toISOString(), to: span.end.toISOString() }
    try {
      const [figures, histogram, nodes, alerts, errors] = await Promise.all([
        get<OverviewData>('/overview', at, signal),
        get<HistogramData>('/events/histogram', { ...at, q: OTHERS, buckets: 72 }, signal),
        get<{ nodes: NodeFigures[] }>('/nodes', at, signal),
        get<AlertListing>('/alerts', { limit: 50 }, signal),
        get<EventPage>('/events', { ...at, q: ERRORS, limit: ERRORS_SHOWN }, signal),
      ])
      if (!figures.events && this.empty !== false) this.empty = await this.#nothingEver(signal)
      else if (figures.events) this.empty = false
      this.figures = figures
      this.histogram = histogram
      this.nodes = nodes.nodes
      this.alerts = alerts.alerts
      firing.tell(alerts)
      this.#merge(errors.events, span.start)
      this.failure = ''
    } catch (reason) {
      if (isAbort(reason)) return
      if (reason instanceof Problem) this.failure = reason.message
    }
    this.#asked = 0
    this.#later(REFRESH_MS)
  }

  async #nothingEver(signal: AbortSignal): Promise<boolean> {
    return (await get<EventPage>('/events', { q: OTHERS, limit: 1 }, signal)).events.length === 0
  }

  /** What the stream brought may be newer than what the answer knows. */
  #merge(found: readonly LogEvent[], start: Date): void {
    const known = new Set(found.map((event) => event.id))
    const live = this.#streamed.filter((event) => !known.has(event.id))
    this.errors = [...live, ...found]
      .filter((event) => Date.parse(event.timestamp) >= start.getTime())
      .sort((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp))
      .slice(0, ERRORS_SHOWN)
  }

  #later(ms: number): void {
    const due = Date.now() + ms
    if (this.#timer !== undefined && this.#due > Date.now() && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (document.hidden || !this.#range) this.#later(REFRESH_MS)
      // An answer on its way is waited for: in a storm of errors, a slow server would never be heard.
      else if (Date.now() < this.#asked + PATIENCE_MS) this.#later(SOON_MS)
      else void this.load(this.#range)
    }, ms)
  }

  /** Follow the errors and what begins and ends, or the very first event of an empty store. Returns what ends it. */
  watch(empty: boolean, onruns: () => void): () => void {
    return connection.follow(empty ? OTHERS : FOLLOWED, {
      onevents: (events) => {
        if (empty) return this.#arrived(events)
        const failed = events.filter(({ level, service }) => (level === 'ERROR' || level === 'CRITICAL') && service !== 'safelight')
        if (failed.length) this.#failed(failed)
        if (events.some(({ event }) => event && /^(run|instance|worker)_/.test(event))) onruns()
      },
    })
  }

  #arrived(events: readonly LogEvent[]): void {
    this.first ??= events[0] ?? null
    if (this.#range) void this.load(this.#range)
    void connection.check()
  }

  #failed(events: readonly LogEvent[]): void {
    this.#streamed = [...this.#streamed, ...events].slice(-ERRORS_SHOWN)
    const recent = events.filter((event) => Date.now() - Date.parse(event.timestamp) < FRESH_MS)
    this.fresh = new Set([...this.fresh, ...recent.map((event) => event.id)].slice(-100))
    if (this.#range) this.#merge(this.errors, resolve(this.#range, Date.now(), '24h').start)
    this.#later(SOON_MS)
  }

  end(): void {
    this.#control?.abort()
    clearTimeout(this.#timer)
  }
}
