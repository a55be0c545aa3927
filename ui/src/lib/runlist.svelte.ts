/** The runs as their page shows them, kept fresh while somebody looks.
 *
 *  What is on the screen stays until the next answer is here, and stays when that answer fails.
 */
import { get, isAbort, Problem } from './api'
import { connection } from './connection.svelte'
import type { Range } from './range'
import { asQuery, isFiltered, renewed, updated, type RunFilter } from './runlist'
import type { Run, RunListing } from './runs'
import { Throttle } from './throttle'

const PAGE = 50
/** The steps of a node are no events that the stream brings: while something runs, ask. */
const PROGRESS_MS = 2_000
/** Before everything that a store can hold. */
const EVER = '2000-01-01T00:00:00Z'

export class RunList {
  rows = $state.raw<Run[]>([])
  page = $state.raw<RunListing | null>(null)
  /** Arrived while the reader looks further down. */
  held = $state(0)
  problem = $state.raw<Problem | null>(null)
  unreachable = $state(false)
  busy = $state(false)
  growing = $state(false)
  /** Not one run is known, whatever the range. */
  none = $state(false)
  /** Instances of which a run was heard, and how often anything was: what else shows runs looks here. */
  heard = $state.raw<{ instances: ReadonlySet<string>; times: number }>({ instances: new Set(), times: 0 })
  cursor = $state<string | null>(null)
  #filter: RunFilter | null = null
  #range: Range | null = null
  #control: AbortController | null = null
  #fresh: RunListing | null = null
  readonly #throttle = new Throttle(() => void this.#refresh(), () => this.page?.took_ms ?? 0)

  constructor(private readonly atTop: () => boolean) {}

  async load(filter: RunFilter, range: Range): Promise<void> {
    this.#filter = filter
    this.#range = range
    this.#control?.abort()
    const control = (this.#control = new AbortController())
    this.#throttle.began()
    this.busy = true
    try {
      const page = await this.#ask(control.signal)
      this.none = !page.runs.length && !isFiltered(filter) && (await this.#noneEver(control.signal))
      this.page = page
      this.rows = page.runs
      this.cursor = page.cursor
      this.#settled()
    } catch (reason) {
      this.#failed(reason, control)
    }
    if (control !== this.#control) return
    this.busy = false
    this.#throttle.ended()
  }

  #ask(signal: AbortSignal, cursor: string | null = null): Promise<RunListing> {
    return get<RunListing>('/runs', { ...asQuery(this.#filter!), ...this.#range!, limit: PAGE, cursor }, signal)
  }

  async #noneEver(signal: AbortSignal): Promise<boolean> {
    return !(await get<RunListing>('/runs', { from: EVER, limit: 1 }, signal)).runs.length
  }

  #settled(): void {
    this.problem = null
    this.unreachable = false
    this.held = 0
    this.#fresh = null
  }

  #failed(reason: unknown, control: AbortController): void {
    if (isAbort(reason) || control !== this.#control) return
    if (reason instanceof Problem) this.problem = reason
    else this.unreachable = true
  }

  /** The next older page. */
  async more(): Promise<void> {
    const control = this.#control
    if (!this.cursor || !control || this.growing) return
    this.growing = true
    try {
      const page = await this.#ask(control.signal, this.cursor)
      const known = new Set(this.rows.map((run) => run.id))
      this.rows = [...this.rows, ...page.runs.filter((run) => !known.has(run.id))]
      this.cursor = page.cursor
    } catch (reason) {
      this.#failed(reason, control)
    }
    this.growing = false
  }

  async #refresh(): Promise<void> {
    const control = this.#control
    if (!control) return
    this.#throttle.began()
    try {
      const fresh = await this.#ask(control.signal)
      if (control !== this.#control) return
      this.page = fresh
      this.#fresh = fresh
      this.problem = null
      this.unreachable = false
      if (fresh.runs.length) this.none = false
      if (this.atTop()) this.show()
      else {
        const known = new Set(this.rows.map((run) => run.id))
        const first = fresh.runs.findIndex((run) => known.has(run.id))
        this.held = first < 0 ? fresh.runs.length : first
        this.rows = updated(this.rows, fresh.runs)
      }
    } catch (reason) {
      // One failed look at what is new is no reason to say so: the connection tells when there is no server.
      if (reason instanceof Problem) this.#failed(reason, control)
    } finally {
      if (control === this.#control) this.#throttle.ended()
    }
  }

  /** Put what was held back on the screen. */
  show(): void {
    const fresh = this.#fresh
    if (!fresh) return
    const { rows, joined } = renewed(this.rows, fresh.runs, fresh.cursor === null)
    if (!joined || fresh.cursor === null) this.cursor = fresh.cursor
    this.rows = rows
    this.held = 0
    this.#fresh = null
  }

  /** Follow what begins and ends. Returns what ends it. */
  watch(): () => void {
    const end = connection.follow('event:run_*', {
      onevents: (events) => {
        const instances = new Set(events.flatMap((event) => event.instance ?? []))
        this.heard = { instances, times: this.heard.times + 1 }
        this.#throttle.soon()
      },
      onstate: (state) => void (state === 'open' && this.#throttle.soon()),
    })
    const timer = setInterval(() => this.rows.some((run) => run.state === 'running') && this.#throttle.soon(), PROGRESS_MS)
    return () => {
      end()
      clearInterval(timer)
    }
  }

  end(): void {
    this.#control?.abort()
    this.#throttle.stop()
  }
}
