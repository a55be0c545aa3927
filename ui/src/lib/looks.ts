/** What a state looks like: its tone, its icon and its word are the same wherever it is shown. */
import type { Key } from './i18n'
import type { IconName } from './icons'
import type { ExecutionState, InstanceState, RunState } from './runs'

/** Red is only for what failed, amber for what runs. */
export type Tone = 'ok' | 'err' | 'warn' | 'run' | 'plain'

export interface Look {
  icon: IconName
  tone: Tone
  word: Key
}

const RUNNING: Look = { icon: 'play', tone: 'run', word: 'ui.state.running' }
const FINISHED: Look = { icon: 'check', tone: 'ok', word: 'ui.state.finished' }
const FAILED: Look = { icon: 'close', tone: 'err', word: 'ui.state.failed' }
const INTERRUPTED: Look = { icon: 'stop', tone: 'plain', word: 'ui.state.interrupted' }
const REJECTED: Look = { icon: 'alert', tone: 'err', word: 'ui.state.rejected' }

export const RUN_LOOKS: Record<RunState, Look> = {
  queued: { icon: 'clock', tone: 'plain', word: 'ui.state.queued' },
  running: RUNNING,
  finished: FINISHED,
  failed: FAILED,
  interrupted: INTERRUPTED,
  rejected: REJECTED,
  lost: { icon: 'lost', tone: 'err', word: 'ui.state.lost' },
  unknown: { icon: 'more', tone: 'plain', word: 'ui.state.unknown' },
}

/** A node that was not executed is not there yet, or never will be. */
export type NodeState = ExecutionState | 'rejected' | 'waiting' | 'never'

export const NODE_LOOKS: Record<NodeState, Look> = {
  cached: { icon: 'cached', tone: 'plain', word: 'ui.state.cached' },
  running: RUNNING,
  finished: FINISHED,
  failed: FAILED,
  interrupted: INTERRUPTED,
  blocked: { icon: 'blocked', tone: 'warn', word: 'ui.state.blocked' },
  rejected: REJECTED,
  waiting: { icon: 'clock', tone: 'plain', word: 'ui.state.waiting' },
  never: { icon: 'minus', tone: 'plain', word: 'ui.state.never' },
}

export const INSTANCE_LOOKS: Record<InstanceState, Look> = {
  idle: { icon: 'pause', tone: 'plain', word: 'ui.queue.state.idle' },
  busy: { icon: 'play', tone: 'run', word: 'ui.queue.state.busy' },
  stuck: { icon: 'alert', tone: 'warn', word: 'ui.queue.state.stuck' },
  dead: { icon: 'close', tone: 'err', word: 'ui.queue.state.dead' },
  unreachable: { icon: 'close', tone: 'err', word: 'ui.queue.state.unreachable' },
}
