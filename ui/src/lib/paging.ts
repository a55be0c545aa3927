/** Rows of a result by their number, although the server pages by cursor.
 *
 *  The histogram says how many events lie before the end of each of its buckets, so a chain of cursor pages can start at
 *  any bucket: the oldest of 100,000 rows is one request away, not five hundred.
 */
import type { HistogramData, LogEvent } from './api'

export const PAGE = 200
/** Browsers limit the height of an element, and nobody reads further: then the range should be narrower. */
export const MOST_ROWS = 100_000
/** Rows kept in memory; whole chains are forgotten, the longest unused first. */
const MOST_KEPT = 12_000
/** A chain per bucket would be a request per bucket where buckets are small. */
const LEAST_CHAIN = 400
const MOST_PER_REQUEST = 1000

export interface Anchor {
  /** Number of the first row of the chain. */
  index: number
  /** The chain holds what is older than this moment. */
  to: string
}

/** Where chains may start, newest first: at the upper ends of buckets, not too close to each other. */
export function anchorsOf(histogram: HistogramData, end: string): Anchor[] {
  const anchors: Anchor[] = [{ index: 0, to: end }]
  let index = 0
  for (let i = histogram.buckets.length - 1; i > 0; i--) {
    index += Object.values(histogram.buckets[i]!.counts).reduce((a, b) => a + b, 0)
    if (index - anchors.at(-1)!.index >= LEAST_CHAIN) anchors.push({ index, to: histogram.buckets[i]!.at })
  }
  return anchors
}

interface Chain extends Anchor {
  rows: LogEvent[]
  cursor: string | null
  /** Nothing older is left. */
  done: boolean
  busy: boolean
  used: number
}

export interface Page {
  events: LogEvent[]
  cursor: string | null
}
export type Fetch = (to: string, cursor: string | null, limit: number) => Promise<Page>

export class Paging {
  #chains: Chain[]
  #uses = 0
  /** Rows that can be scrolled to. Grows by itself until a histogram says how many there are. */
  length: number
  /** Rows there are, beyond MOST_ROWS too; null until a histogram says. */
  total: number | null = null

  constructor(
    readonly end: string,
    first: Page,
    private readonly fetch: Fetch,
    private readonly onchange: () => void,
    private readonly onfailure: (reason: unknown) => void = () => undefined,
  ) {
    this.#chains = [this.#chain({ index: 0, to: end }, first)]
    this.length = first.events.length
  }

  #chain(anchor: Anchor, page?: Page): Chain {
    return { ...anchor, rows: page?.events ?? [], cursor: page?.cursor ?? null, done: !!page && !page.cursor, busy: false, used: 0 }
  }

  /** How the rest of the rows is spread over time. */
  place(histogram: HistogramData): void {
    const [first] = this.#chains
    this.total = first!.done ? first!.rows.length : Math.max(histogram.total, first!.rows.length)
    this.length = Math.min(this.total, MOST_ROWS)
    if (!first!.done) this.#chains.push(...anchorsOf(histogram, this.end).slice(1).map((anchor) => this.#chain(anchor)))
    this.onchange()
  }

  #number(i: number): number {
    let low = 0
    let high = this.#chains.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#chains[middle]!.index <= i) low = middle
      else high = middle - 1
    }
    return low
  }

  row(i: number): LogEvent | undefined {
    const chain = this.#chains[this.#number(i)]!
    return chain.rows[i - chain.index]
  }

  /** Rows [from, to) are on the screen: fetch what is missing of them. */
  want(from: number, to: number): void {
    const last = this.#number(Math.max(from, to - 1))
    for (let k = this.#number(from); k <= last; k++) {
      const chain = this.#chains[k]!
      const end = this.#chains[k + 1]?.index ?? Infinity
      chain.used = ++this.#uses
      const wanted = Math.min(to, end) - chain.index
      if (wanted > chain.rows.length) void this.#extend(chain, wanted, end)
    }
    // Without a histogram the end is unknown: look one page ahead.
    if (this.total === null && to >= this.length) void this.#extend(this.#chains[0]!, this.length + 1, Infinity)
  }

  async #extend(chain: Chain, wanted: number, end: number): Promise<void> {
    if (chain.busy || chain.done) return
    chain.busy = true
    const missing = Math.ceil((wanted - chain.rows.length) / PAGE) * PAGE
    const room = end - chain.index - chain.rows.length
    const limit = Math.min(Math.max(missing, PAGE), room, MOST_PER_REQUEST)
    try {
      const page = await this.fetch(chain.to, chain.cursor, limit)
      chain.rows = chain.rows.concat(page.events)
      chain.cursor = page.cursor
      chain.done = !page.cursor
      if (this.total === null) this.length = chain.rows.length
      this.#forget()
    } catch (reason) {
      this.onfailure(reason)
      return // stays busy: a failed chain is not asked again for every frame
    }
    chain.busy = false
    this.onchange()
  }

  #forget(): void {
    let kept = this.#chains.reduce((sum, chain) => sum + chain.rows.length, 0)
    const idle = this.#chains.filter((chain) => chain.rows.length && !chain.busy).sort((a, b) => a.used - b.used)
    for (const chain of idle.slice(0, -2)) {
      if (kept <= MOST_KEPT) return
      kept -= chain.rows.length
      Object.assign(chain, { rows: [], cursor: null, done: false })
    }
  }

  /** The rows that are here, in their order. */
  loaded(): LogEvent[] {
    return this.#chains.flatMap((chain) => chain.rows)
  }
}
