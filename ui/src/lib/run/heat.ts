/** How a node is coloured in the graph: by the time it took, the memory at its height, or how it ended. */
import type { NodeState } from '../looks'
import type { Execution } from '../runs'

export const MODES = ['time', 'memory', 'status'] as const
export type Mode = (typeof MODES)[number]

export const isMode = (text: string | null): text is Mode => (MODES as readonly string[]).includes(text ?? '')

/** A place on the ramp of luminance, 0 to 1, as CSS. */
export function heat(ratio: number): string {
  const at = Math.min(1, Math.max(0, Number.isFinite(ratio) ? ratio : 0)) * 4
  const step = Math.min(3, Math.floor(at))
  return `color-mix(in oklab, var(--heat${step + 1}) ${Math.round((at - step) * 100)}%, var(--heat${step}))`
}

/** The most memory at one time while a node ran: of the GPU, else of the process. */
export const memoryOf = (execution: Execution): number | null =>
  execution.vram_peak_mb ?? execution.vram_used_mb ?? execution.torch_peak_mb ?? execution.ram_used_mb

export interface Range {
  least: number
  most: number
}

/** What the ends of the ramp stand for; null when nothing was measured. */
export function rangeOf(mode: Mode, executions: readonly Execution[]): Range | null {
  if (mode === 'status') return null
  const values = executions.filter((each) => each.state !== 'cached' && each.state !== 'blocked').map((each) => (mode === 'time' ? each.duration_ms : memoryOf(each))).filter((value): value is number => value !== null)
  if (!values.length) return null
  let [least, most] = [Infinity, -Infinity]
  for (const value of values) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  return { least: mode === 'time' ? 0 : least, most }
}

/** Times differ by powers of ten: the root keeps the short ones apart. Memory is compared as it is. */
export function ratioOf(mode: Mode, execution: Execution, range: Range): number {
  const value = mode === 'time' ? execution.duration_ms : memoryOf(execution)
  if (value === null || range.most <= range.least) return 0
  const ratio = (value - range.least) / (range.most - range.least)
  return mode === 'time' ? Math.sqrt(Math.max(0, ratio)) : ratio
}

const STATUS: Record<NodeState, string> = {
  cached: 'var(--fill-mute)',
  running: 'var(--accent)',
  finished: 'var(--ok)',
  failed: 'var(--fill-err)',
  interrupted: 'var(--fill-mute)',
  blocked: 'var(--fill-warn)',
  rejected: 'var(--fill-err)',
  waiting: 'var(--heat0)',
  never: 'var(--heat0)',
}
/** What went wrong, or goes on, shows in every mode. */
const ALWAYS: ReadonlySet<NodeState> = new Set(['failed', 'rejected', 'blocked', 'running', 'waiting', 'never'])

/** The colour of a node, as CSS. */
export function colourOf(mode: Mode, state: NodeState, execution: Execution | undefined, range: Range | null): string {
  if (mode === 'status' || ALWAYS.has(state)) return STATUS[state]
  return execution && range && state !== 'cached' ? heat(ratioOf(mode, execution, range)) : 'var(--heat0)'
}
