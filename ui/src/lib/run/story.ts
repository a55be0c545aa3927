/** What is not ordinary about a run, in sentences: what happened, what is missing and why, and what to do. */
import type { Key, Values } from '../i18n'
import type { Execution, RunDetail } from '../runs'

export interface Note {
  tone: 'err' | 'warn' | 'plain'
  title: Key
  text: Key
  values?: Values
  /** A command that helps. */
  command?: string
}

export const INSTALL = 'safelight comfyui install PATH_TO_COMFYUI'

/** Why no node is known; null when some are. */
export function withoutNodes(run: RunDetail): Note | null {
  if (run.executions.length) return null
  if (run.state === 'queued') return { tone: 'plain', title: 'ui.run.none.queued', text: 'ui.run.none.queued_text' }
  if (run.state === 'rejected') return { tone: 'plain', title: 'ui.run.none.rejected', text: 'ui.run.none.rejected_text' }
  if (run.state === 'lost' && !run.started_at) return { tone: 'plain', title: 'ui.run.none.lost', text: 'ui.run.none.lost_text' }
  if (run.state === 'running' && !run.nodes.finished) return { tone: 'plain', title: 'ui.run.none.running', text: 'ui.run.none.running_text', command: INSTALL }
  return { tone: 'plain', title: 'ui.run.none.outside', text: 'ui.run.none.outside_text', command: INSTALL }
}

/** Why there is no graph; null when there is one. */
export function withoutGraph(run: RunDetail): Note | null {
  if (run.graph?.nodes.length) return null
  if (run.prompt.kept) return { tone: 'plain', title: 'ui.run.nograph.title', text: 'ui.run.nograph.unreadable' }
  if (run.prompt.reason) return { tone: 'plain', title: 'ui.run.nograph.title', text: 'ui.run.nograph.reason', values: { reason: run.prompt.reason } }
  return { tone: 'plain', title: 'ui.run.nograph.title', text: 'ui.run.nograph.never', command: INSTALL }
}

/** The first readings are taken within this time. */
const SHORT_MS = 1000

/** Why there is no curve of memory. */
export function withoutCurve(run: RunDetail): Key {
  if (run.state === 'queued' || run.state === 'rejected' || (run.state === 'lost' && !run.started_at)) return 'ui.run.nocurve.before'
  return run.duration_ms !== null && run.duration_ms < SHORT_MS ? 'ui.run.nocurve.short' : 'ui.run.nocurve.outside'
}

export type RejectedNode = { id: string; node: string; errors: { message: string; details: string }[] }

/** The complaints of a validation, node by node. */
export function rejections(run: RunDetail): RejectedNode[] {
  return Object.entries(run.node_errors ?? {}).map(([id, { class_type, errors }]) => ({
    id,
    node: class_type ?? '',
    errors: (errors ?? []).map(({ type, message, details }) => ({ message: message || type || '', details: details ?? '' })),
  }))
}

/** A node, and what is said against it. */
export interface Complaint {
  id: string
  node: string
  said: string[]
}

export const complaint = ({ id, node, errors }: RejectedNode): Complaint => ({
  id,
  node,
  said: errors.map((error) => [error.message, error.details].filter(Boolean).join(': ')),
})

/** Nodes that an ExecutionBlocker kept from running, with its message. */
export const blockedNodes = (executions: readonly Execution[]): Complaint[] =>
  executions
    .filter((each) => each.state === 'blocked')
    .map((each) => ({ id: each.node_id, node: each.title || each.node || '', said: each.error?.message ? [each.error.message] : [] }))
