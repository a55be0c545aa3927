/** Runs as the API answers them, and what the page says of them. */
import { bytes } from './format'
import { t, type Key } from './i18n'
import type { IconName } from './icons'

export const RUN_STATES = ['queued', 'running', 'finished', 'failed', 'interrupted', 'rejected', 'lost', 'unknown'] as const
/** `unknown` is a run of which nobody told how it began or ended. */
export type RunState = (typeof RUN_STATES)[number]

export interface RunError {
  type: string | null
  message: string | null
  /** The error group, shared with the event of the node. */
  group: string | null
  node: string | null
  node_id: string | null
}

/** What a running run works on; `value` of `max` are the steps of the node. */
export interface CurrentNode {
  node: string | null
  node_id: string
  since: string
  value: number | null
  max: number | null
}

export interface Run {
  id: string
  state: RunState
  workflow_name: string | null
  graph_hash: string | null
  instance: string | null
  service: string | null
  user_id: string | null
  host: string | null
  queued_at: string | null
  started_at: string | null
  ended_at: string | null
  queue_ms: number | null
  /** The run's own, without the wait; null while it runs. */
  duration_ms: number | null
  nodes: { total: number | null; finished: number; cached: number; failed: number }
  vram_peak_mb: number | null
  ram_peak_mb: number | null
  outputs: number
  error: RunError | null
  current: CurrentNode | null
  /** Median of the finished runs of the same graph before it. */
  usual_ms: number | null
  replay_of: string | null
}

export type ExecutionState = 'cached' | 'running' | 'finished' | 'failed' | 'interrupted'

export interface ModelLoad {
  model: string
  /** From the start of the run. */
  offset_ms: number
  duration_ms: number | null
  model_mb: number | null
}

/** One node of a run, as it was executed. */
export interface Execution {
  node_id: string
  node: string | null
  title: string | null
  display_id: string | null
  parent_id: string | null
  state: ExecutionState
  started_at: string | null
  /** From the start of the run. */
  offset_ms: number | null
  duration_ms: number | null
  active_ms: number | null
  usual_ms: number | null
  vram_before_mb: number | null
  vram_peak_mb: number | null
  vram_used_mb: number | null
  torch_peak_mb: number | null
  ram_used_mb: number | null
  loads: ModelLoad[]
  /** When each step was reported, from the start of the run. */
  steps: number[]
  value: number | null
  max: number | null
  inputs: Record<string, unknown>
  outputs: unknown[]
  error: { type: string | null; message: string | null; traceback: string | null } | null
}

/** Readings of memory over a run; a row that nobody measured is null. */
export interface Curve {
  offset_ms: number[]
  vram_mb: (number | null)[] | null
  torch_mb: (number | null)[] | null
  ram_mb: (number | null)[] | null
  vram_total_mb: number | null
}

export interface GraphNode {
  id: string
  node: string
  title: string | null
  x: number | null
  y: number | null
  width: number | null
  height: number | null
}

export interface GraphEdge {
  from: string
  to: string
  type: string | null
}

export interface Graph {
  nodes: GraphNode[]
  edges: GraphEdge[]
  /** Whether the nodes stand where their author put them. */
  positioned: boolean
}

export type ImageCheck = 'ok' | 'black' | 'uniform' | 'nan' | 'empty' | 'unreadable' | 'missing' | 'unchecked'

export interface SavedFile {
  index: number
  filename: string
  subfolder: string | null
  type: string | null
  width: number | null
  height: number | null
  bytes: number | null
  check: ImageCheck | null
  /** Where the image is served; null when its file cannot be read from here. */
  url: string | null
}

export interface RunDetail extends Run {
  executions: Execution[]
  curve: Curve
  graph: Graph | null
  saved: SavedFile[]
  /** The memory ledger, as taken at the failure. */
  memory: Record<string, unknown> | null
  node_errors: Record<string, { class_type?: string; errors?: { type?: string; message?: string; details?: string }[] }> | null
  prompt: { kept: boolean; sha256: string | null; redacted: string[]; reason: string | null }
  extra: Record<string, unknown>
  /** The search on Logs that shows everything of this run. */
  log_query: string
}

export interface RunPage {
  runs: Run[]
  cursor: string | null
  counts: Partial<Record<RunState, number>>
  facets: Record<'instance' | 'user' | 'workflow', { value: string; count: number }[]>
  took_ms: number
}

export type InstanceState = 'idle' | 'busy' | 'stuck' | 'dead' | 'unreachable'

export interface InstanceQueue {
  instance: string | null
  state: InstanceState
  running: Run[]
  pending: Run[]
  /** Until everything waiting is done. */
  eta_ms: number | null
}

export interface Queue {
  instances: InstanceQueue[]
  took_ms: number
}

export interface Resubmission {
  resubmitted: { run_id: string; new_id: string }[]
  failed: { run_id: string; reason: string }[]
}

/** The tone a state is painted in: red is only for what failed, amber for what runs. */
export type Tone = 'ok' | 'err' | 'warn' | 'run' | 'plain'

interface Look {
  icon: IconName
  tone: Tone
  word: Key
}

export const LOOKS: Record<RunState, Look> = {
  queued: { icon: 'clock', tone: 'plain', word: 'ui.runs.state.queued' },
  running: { icon: 'play', tone: 'run', word: 'ui.runs.state.running' },
  finished: { icon: 'check', tone: 'ok', word: 'ui.runs.state.finished' },
  failed: { icon: 'close', tone: 'err', word: 'ui.runs.state.failed' },
  interrupted: { icon: 'stop', tone: 'plain', word: 'ui.runs.state.interrupted' },
  rejected: { icon: 'alert', tone: 'err', word: 'ui.runs.state.rejected' },
  lost: { icon: 'lost', tone: 'err', word: 'ui.runs.state.lost' },
  unknown: { icon: 'more', tone: 'plain', word: 'ui.runs.state.unknown' },
}

/** The page of a run. */
export const runPath = (id: string): string => `/runs/${encodeURIComponent(id)}`

/** What a run is called: its workflow, else its graph, else its own id. */
export const nameOf = (run: Pick<Run, 'workflow_name' | 'graph_hash' | 'id'>): string =>
  run.workflow_name || (run.graph_hash ? t('ui.runs.graph', { hash: run.graph_hash.slice(0, 6) }) : run.id.slice(0, 8))

/** Memory as the sellers of graphics cards count it: 24,576 MB are 24 GB. */
export const memory = (mb: number): string => bytes(mb >= 1024 ? (mb / 1024) * 1e9 : mb * 1e6)

/** How long the run took, or has taken until `now`; null where it never started. */
export function elapsed(run: Pick<Run, 'state' | 'started_at' | 'duration_ms'>, now: number): number | null {
  if (run.duration_ms !== null) return run.duration_ms
  if (run.state !== 'running' || !run.started_at) return null
  return Math.max(0, now - Date.parse(run.started_at))
}

/** The share of the nodes that are done, with the steps of the current one; null where nobody knows how many there are. */
export function progress({ nodes, current }: Pick<Run, 'nodes' | 'current'>): number | null {
  if (!nodes.total) return null
  const within = current?.max ? Math.min(1, (current.value ?? 0) / current.max) : 0
  return Math.min(1, (nodes.finished + nodes.cached + nodes.failed + within) / nodes.total)
}

/** How long it took against what is usual for its graph; null where either is not known. */
export function against(run: Pick<Run, 'duration_ms' | 'usual_ms'>): number | null {
  return run.duration_ms !== null && run.usual_ms ? run.duration_ms / run.usual_ms : null
}

/** Until it is done, going by what is usual; null where that is not known or has passed. */
export function remaining(run: Run, now: number): number | null {
  const spent = elapsed(run, now)
  return run.usual_ms && spent !== null && spent < run.usual_ms ? run.usual_ms - spent : null
}

/** For each waiting run, milliseconds until its turn; null from the first run on of which nobody knows how long it takes. */
export function waits({ running, pending }: Pick<InstanceQueue, 'running' | 'pending'>, now: number): (number | null)[] {
  let wait: number | null = 0
  for (const run of running) {
    // One that takes longer than usual may end at any moment.
    const left: number | null = run.usual_ms ? (remaining(run, now) ?? 0) : null
    wait = wait === null || left === null ? null : wait + left
  }
  return pending.map((run) => {
    const mine = wait
    wait = wait === null || !run.usual_ms ? null : wait + run.usual_ms
    return mine
  })
}

/** The height of a bar, 0 to 1: half of it is what is usual for the graph, or for its neighbours where that is not known. */
export function height(run: Run, median: number | null, now: number): number {
  const spent = elapsed(run, now)
  const usual = run.usual_ms ?? median
  if (spent === null) return 0.25
  if (!usual) return 0.5
  return Math.min(1, Math.max(0.15, spent / usual / 2))
}

export function medianOf(values: readonly number[]): number | null {
  if (!values.length) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** What the rows become when the first page is read again: what it says of its own span holds, older rows stay.
 *
 *  `joined` is false when so much is new that nothing on the page was known: older rows would leave a gap, and go.
 */
export function renewed(shown: readonly Run[], fresh: readonly Run[], complete: boolean): { rows: Run[]; joined: boolean } {
  if (complete || !shown.length) return { rows: [...fresh], joined: complete }
  const place = new Map(shown.map((run, index) => [run.id, index]))
  const last = fresh.findLast((run) => place.has(run.id))
  if (!last) return { rows: [...fresh], joined: false }
  const ids = new Set(fresh.map((run) => run.id))
  const older = shown.slice(place.get(last.id)! + 1).filter((run) => !ids.has(run.id))
  return { rows: [...fresh, ...older], joined: true }
}

/** The rows with news of themselves, none added and none taken away: the reader is looking at them. */
export function updated(shown: readonly Run[], fresh: readonly Run[]): Run[] {
  const news = new Map(fresh.map((run) => [run.id, run]))
  return shown.map((run) => news.get(run.id) ?? run)
}

/** What the reader asks for; the URL holds it. */
export interface RunFilter {
  states: RunState[]
  user: string
  workflow: string
  instance: string
  q: string
}

export function filterOf(search: URLSearchParams): RunFilter {
  const asked = (search.get('state') ?? '').split(',')
  return {
    states: RUN_STATES.filter((state) => asked.includes(state)),
    user: search.get('user') ?? '',
    workflow: search.get('workflow') ?? '',
    instance: search.get('instance') ?? '',
    q: search.get('q') ?? '',
  }
}

export const isFiltered = (filter: RunFilter): boolean =>
  !!(filter.states.length || filter.user || filter.workflow || filter.instance || filter.q)

/** As the parameters of `/runs`. */
export const asQuery = ({ states, user, workflow, instance, q }: RunFilter): Record<string, string> => ({
  state: states.join(','),
  user,
  workflow,
  instance,
  q: q.trim(),
})
