/** One search as the Logs page shows it: rows, their spread over time, the values of their fields, or statistics.
 *
 *  What is on the screen stays until the next answer is here, and stays when the next query is refused.
 */
import {
  get,
  isAbort,
  isStatistics,
  Problem,
  type EventPage,
  type Facet,
  type HistogramData,
  type Statistics,
} from './api'
import { askedFields, conditionOf, withoutField } from './filters'
import { PAGE, Paging } from './paging'
import { resolve, type Range, type Span } from './range'

export const FACETS = ['level', 'service', 'instance', 'node', 'user_id', 'event', 'host'] as const
const BUCKETS = 60
const VALUES = 10

export class Search {
  rows = $state.raw<Paging | null>(null)
  histogram = $state.raw<HistogramData | null>(null)
  facets = $state.raw<Facet[]>([])
  statistics = $state.raw<Statistics | null>(null)
  problem = $state.raw<Problem | null>(null)
  unreachable = $state(false)
  busy = $state(false)
  took = $state<number | null>(null)
  /** What the rows on the screen answer. */
  span = $state.raw<Span | null>(null)
  query = $state('')
  /** Goes up when rows arrive inside `rows`. */
  version = $state(0)
  /** Goes up when another result is on the screen. */
  generation = $state(0)
  #control: AbortController | null = null

  async load(q: string, range: Range): Promise<void> {
    this.#control?.abort()
    const control = (this.#control = new AbortController())
    const { signal } = control
    const span = resolve(range, Date.now())
    const from = span.start.toISOString()
    const to = span.end.toISOString()
    this.busy = true
    const first = get<EventPage | Statistics>('/events', { q, from, to, limit: PAGE }, signal)
    const chart = get<HistogramData>('/events/histogram', { q: conditionOf(q), from, to, buckets: BUCKETS }, signal)
    const facets = this.#facets(conditionOf(q), from, to, signal)
    // Their failures are told once, by the first of them; an abort is none.
    chart.catch(() => undefined)
    facets.catch(() => undefined)
    try {
      const answer = await first
      this.problem = null
      this.unreachable = false
      this.took = answer.took_ms
      this.query = q
      this.span = span
      if (isStatistics(answer)) {
        this.statistics = answer
        this.rows = null
      } else {
        this.statistics = null
        this.rows = this.#paging(q, from, to, answer, signal)
      }
      this.generation++
      this.busy = false
      const histogram = await chart
      this.histogram = histogram
      this.rows?.place(histogram)
      this.facets = await facets
    } catch (reason) {
      this.#failed(reason, control)
    }
  }

  #failed(reason: unknown, control: AbortController): void {
    if (isAbort(reason) || control !== this.#control) return
    this.busy = false
    if (reason instanceof Problem) this.problem = reason
    else this.unreachable = true
  }

  #paging(q: string, from: string, to: string, first: EventPage, signal: AbortSignal): Paging {
    const control = this.#control!
    return new Paging(
      to,
      first,
      (end, cursor, limit) => get<EventPage>('/events', { q, from, to: end, cursor, limit }, signal),
      () => this.version++,
      (reason) => this.#failed(reason, control),
    )
  }

  /** A field that the query asks about shows its other values too, so that they can be added. */
  async #facets(q: string, from: string, to: string, signal: AbortSignal): Promise<Facet[]> {
    const asked = askedFields(q)
    const ask = (condition: string, fields: readonly string[]) =>
      get<{ facets: Facet[] }>('/events/facets', { q: condition, from, to, fields: fields.join(','), limit: VALUES }, signal)
    const free = FACETS.filter((field) => !asked.has(field))
    const answers = await Promise.all([
      ...(free.length ? [ask(q, free)] : []),
      ...FACETS.filter((field) => asked.has(field)).map((field) => ask(withoutField(q, field), [field])),
    ])
    const found = new Map(answers.flatMap((answer) => answer.facets).map((facet) => [facet.field, facet]))
    return FACETS.flatMap((field) => found.get(field) ?? [])
  }

  /** Chart and fields anew, while the tail brings the rows. */
  async refresh(range: Range): Promise<void> {
    const control = this.#control
    if (!control || this.busy) return
    const span = resolve(range, Date.now())
    const q = conditionOf(this.query)
    const from = span.start.toISOString()
    const to = span.end.toISOString()
    try {
      const chart = get<HistogramData>('/events/histogram', { q, from, to, buckets: BUCKETS }, control.signal)
      const facets = this.#facets(q, from, to, control.signal)
      const [histogram, found] = await Promise.all([chart, facets])
      this.histogram = histogram
      this.facets = found
    } catch {
      // the next round may do better; the connection says so when there is none
    }
  }

  end(): void {
    this.#control?.abort()
  }
}
