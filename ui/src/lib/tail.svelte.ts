/** Live tail: what arrives, newest first, painted at most once a frame and never more than a ring of it. */
import { get, type EventPage, type LogEvent, type Problem } from './api'
import { connection } from './connection.svelte'

/** Lines kept; older ones are a search away. */
export const RING = 5000
/** Events may be committed a moment after their own time. */
const OVERLAP_MS = 2000
const CATCH_UP = 1000

export class Tail {
  /** On the screen, above the rows of the search. */
  rows = $state.raw<LogEvent[]>([])
  /** Arrived while the reader looks further down. */
  pending = $state.raw<LogEvent[]>([])
  /** Left out by the server because there were too many at once. */
  dropped = $state(0)
  /** The ring was full: between the oldest of `rows` and the search lies a gap. */
  overflown = $state(false)
  problem = $state.raw<Problem | null>(null)
  #arrived: LogEvent[] = []
  #known = new Set<string>()
  #run = 0
  #frame = 0
  #end: (() => void) | null = null

  constructor(
    private readonly atTop: () => boolean,
    private readonly onshown: (added: number) => void,
  ) {}

  /** Follow `q` where a search ended: at the moment `since`, with `known` ids on the screen. */
  start(q: string, since: Date, known: Iterable<string>): void {
    this.stop()
    const run = ++this.#run
    this.rows = this.pending = []
    this.dropped = 0
    this.overflown = false
    this.problem = null
    this.#known = new Set(known)
    this.#end = connection.follow(q, {
      onevents: (events, dropped) => {
        this.dropped += dropped
        this.#take(events)
      },
      onproblem: (problem) => (this.problem = problem),
      onstate: (state) => {
        if (state === 'open') void this.#catchUp(q, since, run)
      },
    })
  }

  /** What was committed after the search and before the stream was open is in neither. */
  async #catchUp(q: string, since: Date, run: number): Promise<void> {
    const from = new Date(since.getTime() - OVERLAP_MS).toISOString()
    const page = await get<EventPage>('/events', { q, from, limit: CATCH_UP }).catch(() => null)
    if (page && run === this.#run) this.#take(page.events.reverse())
  }

  #take(events: readonly LogEvent[]): void {
    for (const event of events) {
      if (this.#known.has(event.id)) continue
      this.#known.add(event.id)
      this.#arrived.push(event)
    }
    if (this.#arrived.length) this.#frame ||= requestAnimationFrame(() => this.#paint())
  }

  stop(): void {
    this.#run++
    this.#end?.()
    this.#end = null
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    this.#arrived = []
  }

  clear(): void {
    this.stop()
    this.rows = this.pending = []
    this.overflown = false
  }

  #paint(): void {
    this.#frame = 0
    const newest = this.#arrived.reverse()
    this.#arrived = []
    this.pending = [...newest, ...this.pending].slice(0, RING)
    if (this.atTop()) this.show()
  }

  /** Put what is pending on the screen. */
  show(): void {
    const added = this.pending.length
    if (!added) return
    const rows = [...this.pending, ...this.rows]
    if (rows.length > RING) this.overflown = true
    this.rows = rows.slice(0, RING)
    this.pending = []
    if (this.#known.size > 4 * RING) this.#known = new Set(this.rows.map((event) => event.id))
    this.onshown(added)
  }
}
