/** One run as its page shows it: what the server says, what the reader chose, and the running clock. */
import { get, isAbort, Problem } from '../api'
import { connection } from '../connection.svelte'
import { quote } from '../filters'
import { ancestors, descendants, MANY } from './layout'
import { isMode, type Mode } from './heat'
import { memoryOf } from './curve'
import { parentsOf } from './rows'
import { about, axisOf, read, within, written, type Span } from './scale'
import type { NodeState } from '../looks'
import { Throttle } from '../throttle'
import type { Execution, RunDetail } from '../runs'

export const TABS = ['node', 'logs', 'prompt', 'outputs'] as const
export type Tab = (typeof TABS)[number]

/** What the server writes after the end, such as outputs and figures. */
const SETTLE_MS = 1500
/** A clock that moves fluently without painting each frame. */
const TICK_MS = 200
/** And for readers who want no motion. */
const STILL_MS = 1000

export class RunView {
  run = $state.raw<RunDetail | null>(null)
  problem = $state.raw<Problem | null>(null)
  unreachable = $state(false)
  /** The node that the reader chose; until then `selected` is the one that matters most. */
  picked = $state<string | null>(null)
  hovered = $state<string | null>(null)
  zoom = $state.raw<Span | null>(null)
  mode = $state<Mode>('time')
  tab = $state<Tab>('node')
  #now = $state(Date.now())
  #control: AbortController | null = null
  #settling: ReturnType<typeof setTimeout> | undefined
  readonly #throttle = new Throttle(() => void this.load())

  constructor(readonly id: string) {}

  readonly active = $derived(this.run?.state === 'running' || this.run?.state === 'queued')
  readonly running = $derived(this.run?.state === 'running')
  readonly executions: readonly Execution[] = $derived(this.run?.executions ?? [])
  readonly byId = $derived(new Map(this.executions.map((each) => [each.node_id, each])))
  readonly memory = $derived(memoryOf(this.run?.curve ?? null))

  /** How long the run took, or has taken until now. */
  readonly length = $derived.by(() => {
    const run = this.run
    if (!run?.started_at) return run?.duration_ms ?? 0
    if (run.duration_ms !== null) return run.duration_ms
    const end = run.ended_at ? Date.parse(run.ended_at) : this.running ? this.#now : 0
    return Math.max(0, end - Date.parse(run.started_at))
  })

  /** How long a run has waited that still does. */
  readonly sinceQueued = $derived(this.run?.queued_at ? Math.max(0, this.#now - Date.parse(this.run.queued_at)) : null)

  readonly axis = $derived.by(() => {
    const run = this.run
    return run ? axisOf(run, this.executions, run.curve, this.length, this.running) : { span: [0, 1] as const, cut: false }
  })
  readonly span: Span = $derived((this.zoom && within(this.zoom, this.axis.span)) || this.axis.span)

  readonly slowest = $derived.by(() => {
    let found: Execution | null = null
    // What expanded into others has only waited for them.
    const parents = new Set(this.executions.map((each) => each.parent_id))
    for (const each of this.executions) {
      if (!parents.has(each.node_id) && (each.duration_ms ?? 0) > (found?.duration_ms ?? 0)) found = each
    }
    return found
  })

  /** What the page is about without a choice: what failed or was stopped, else what runs, else what took longest. */
  readonly telling = $derived.by(() => {
    const failed = this.executions.find((each) => each.state === 'failed') ?? this.executions.find((each) => each.state === 'interrupted')
    return failed?.node_id ?? this.run?.error?.node_id ?? this.run?.current?.node_id ?? this.slowest?.node_id ?? this.executions[0]?.node_id ?? null
  })
  readonly selected = $derived(this.picked ?? this.telling)

  /** Where the chosen node stands in the graph: one that a node added while it ran stands for its parent. */
  readonly anchor = $derived.by(() => {
    const known = new Set(this.run?.graph?.nodes.map((node) => node.id))
    const id = this.selected
    if (!id || known.has(id)) return id
    const shown = this.byId.get(id)?.display_id
    if (shown && known.has(shown)) return shown
    return parentsOf(id, this.executions).find((parent) => known.has(parent)) ?? null
  })

  /** The chosen node with all it needs and all that needs it; null when nothing is to stand out. */
  readonly related = $derived.by(() => {
    const edges = this.run?.graph?.edges
    const id = this.picked || (this.run?.graph?.nodes.length ?? 0) > MANY ? this.anchor : null
    if (!id || !edges?.length) return null
    const found = new Set([...ancestors(id, edges), ...descendants(id, edges)])
    return found.size > 1 ? found : null
  })

  /** Of any node of the graph, whether it was executed or not. */
  stateOf(id: string): NodeState {
    if (this.run?.node_errors?.[id]) return 'rejected'
    return this.byId.get(id)?.state ?? (this.active ? 'waiting' : 'never')
  }

  durationOf(execution: Execution): number | null {
    if (execution.duration_ms !== null) return execution.duration_ms
    if (execution.state === 'running' && this.running && execution.offset_ms !== null) return Math.max(0, this.length - execution.offset_ms)
    // It never said how it ended: it worked until the run ended.
    return execution.state === 'cached' || execution.state === 'blocked' || execution.offset_ms === null ? null : Math.max(0, this.length - execution.offset_ms)
  }

  look(span: Span | null): void {
    this.zoom = span && within(span, this.axis.span)
  }

  lookAt(execution: Execution): void {
    const from = execution.offset_ms ?? 0
    this.look(about(from, from + (this.durationOf(execution) ?? 0)))
  }

  /** What the address says. */
  readFrom(search: URLSearchParams): void {
    this.picked = search.get('node')
    this.zoom = read(search.get('zoom'))
    const mode = search.get('by')
    this.mode = isMode(mode) ? mode : 'time'
    this.tab = TABS.find((tab) => tab === search.get('tab')) ?? 'node'
  }

  /** What the address is to say. */
  readonly written = $derived({
    node: this.picked,
    zoom: written(this.zoom),
    by: this.mode === 'time' ? null : this.mode,
    tab: this.tab === 'node' ? null : this.tab,
  })

  async load(): Promise<void> {
    this.#control?.abort()
    clearTimeout(this.#settling)
    const control = (this.#control = new AbortController())
    this.#throttle.began()
    try {
      const run = await get<RunDetail>(`/runs/${encodeURIComponent(this.id)}`, {}, control.signal)
      const ended = this.active && run.state !== 'running' && run.state !== 'queued'
      this.run = run
      this.#now = Date.now()
      this.problem = null
      this.unreachable = false
      if (ended) this.#settling = setTimeout(() => this.refresh(), SETTLE_MS)
    } catch (reason) {
      if (isAbort(reason)) return
      if (reason instanceof Problem) this.problem = reason
      else this.unreachable = true
    }
    if (control === this.#control) this.#throttle.ended()
  }

  /** Ask anew, once no answer is on its way. */
  refresh(): void {
    this.#throttle.now()
  }

  /** Follow the run as long as it goes on. Returns what ends it. */
  follow(): () => void {
    return connection.hear(`workflow_id:${quote(this.id)}`, () => this.#throttle.soon())
  }

  /** Let running times tick. Returns what stops it. */
  tick(): () => void {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches
    const timer = setInterval(() => document.hidden || (this.#now = Date.now()), still ? STILL_MS : TICK_MS)
    return () => clearInterval(timer)
  }

  end(): void {
    this.#control?.abort()
    clearTimeout(this.#settling)
    this.#throttle.stop()
  }
}
