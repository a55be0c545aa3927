/** Live tail: what arrives, newest first, painted at most once a frame and never more than a ring of it. */
import { Problem, type LogEvent } from './api'
import { connection } from './connection.svelte'
import { follow } from './feed'

/** Lines kept; older ones are a search away. */
export const RING = 5000

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
  #frame = 0
  #end: (() => void) | null = null

  constructor(
    private readonly atTop: () => boolean,
    private readonly onshown: (added: number) => void,
  ) {}

  /** Follow `q`. `known`: ids that are on the screen already, because the search and the stream overlap. */
  start(q: string, known: Iterable<string>): void {
    this.stop()
    this.rows = this.pending = []
    this.dropped = 0
    this.overflown = false
    this.problem = null
    this.#known = new Set(known)
    this.#end = follow(q, {
      onevents: (events, dropped) => {
        this.dropped += dropped
        for (const event of events) if (!this.#known.has(event.id)) this.#arrived.push(event)
        this.#frame ||= requestAnimationFrame(() => this.#paint())
      },
      onproblem: (problem) => (this.problem = problem),
      onstate: (state) => connection.feed(state),
    })
  }

  stop(): void {
    this.#end?.()
    this.#end = null
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    this.#arrived = []
    connection.feed(null)
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
    this.onshown(added)
  }
}
