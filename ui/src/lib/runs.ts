/** Runs as the API answers them, what they are called, and where they are. For every page that shows any. */
import { t } from './i18n'

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

/** `blocked`: an input came as an ExecutionBlocker, so the node was left out. */
export type ExecutionState = 'cached' | 'running' | 'finished' | 'failed' | 'interrupted' | 'blocked'

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

/** What is known of the end of a run that nobody saw end. */
export interface LostEnd {
  was: 'queued' | 'running' | null
  node: string | null
  node_id: string | null
  /** The last readings. */
  vram_used_mb: number | null
  ram_used_mb: number | null
  last_seen_at: string | null
  /** The name of an event, or what the watcher saw, in its words. */
  proof: string | null
}

export interface RunDetail extends Run {
  /** Why it failed and what to do, when that is known. */
  advice: { title: string; cause: string; advice: string } | null
  executions: Execution[]
  curve: Curve
  graph: Graph | null
  saved: SavedFile[]
  /** The memory ledger, as taken at the failure. */
  memory: Record<string, unknown> | null
  lost: LostEnd | null
  node_errors: Record<string, { class_type?: string; errors?: { type?: string; message?: string; details?: string }[] }> | null
  prompt: { kept: boolean; sha256: string | null; redacted: string[]; reason: string | null }
  extra: Record<string, unknown>
  /** The search on Logs that shows everything of this run. */
  log_query: string
}

export interface RunListing {
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

/** The page of a run. */
export const runPath = (id: string): string => `/runs/${encodeURIComponent(id)}`

/** What a run is called: its workflow, else its graph, else its own id. */
export const nameOf = (run: Pick<Run, 'workflow_name' | 'graph_hash' | 'id'>): string =>
  run.workflow_name || (run.graph_hash ? t('ui.runs.graph', { hash: run.graph_hash.slice(0, 6) }) : run.id.slice(0, 8))
