/** The memory of a run over time: that of the GPU where there is one, else that of the process. */
import type { Curve, Execution } from '../runs'
import type { Span } from './scale'

export interface Memory {
  kind: 'vram' | 'ram'
  at: readonly number[]
  mb: readonly (number | null)[]
  /** What torch itself holds of it. */
  torch: readonly (number | null)[] | null
  /** What there is; null when nobody said. */
  total: number | null
  peak: { at: number; mb: number }
}

const measured = (row: readonly (number | null)[] | null): row is readonly (number | null)[] => !!row?.some((mb) => mb !== null)

export function memoryOf(curve: Curve | null): Memory | null {
  if (!curve) return null
  const vram = measured(curve.vram_mb)
  const mb = vram ? curve.vram_mb : measured(curve.ram_mb) ? curve.ram_mb : null
  if (!mb) return null
  let top = mb.findIndex((each) => each !== null)
  mb.forEach((each, i) => {
    if (each !== null && each > mb[top]!) top = i
  })
  return {
    kind: vram ? 'vram' : 'ram',
    at: curve.offset_ms,
    mb,
    torch: vram && measured(curve.torch_mb) ? curve.torch_mb : null,
    total: vram ? curve.vram_total_mb : null,
    peak: { at: curve.offset_ms[top]!, mb: mb[top]! },
  }
}

/** The upper end of the scale: what there is, else a little above the peak. */
export const topOf = (memory: Memory): number => Math.max(memory.total ?? 0, memory.peak.mb * (memory.total ? 1 : 1.15), 1)

/** An SVG path in a box of `width` by `height`; readings that are missing leave a gap. */
export function line(memory: Memory, row: readonly (number | null)[], span: Span, width: number, height: number): { stroke: string; area: string } {
  const top = topOf(memory)
  let stroke = ''
  let area = ''
  let last: number | null = null
  memory.at.forEach((at, i) => {
    const mb = row[i] ?? null
    if (mb === null) {
      if (last !== null) area += `L${last} ${height}Z`
      last = null
      return
    }
    const x = Math.round((((at - span[0]) / (span[1] - span[0])) * width) * 10) / 10
    const y = Math.round((height - (mb / top) * height) * 10) / 10
    stroke += `${last === null ? 'M' : 'L'}${x} ${y}`
    area += last === null ? `M${x} ${height}L${x} ${y}` : `L${x} ${y}`
    last = x
  })
  if (last !== null) area += `L${last} ${height}Z`
  return { stroke, area }
}

/** The last reading at or before a moment; null before the first. */
export function readingAt(memory: Memory, at: number): number | null {
  let low = 0
  let high = memory.at.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (memory.at[middle]! <= at) low = middle + 1
    else high = middle
  }
  for (let i = low - 1; i >= 0; i--) if (memory.mb[i] !== null) return memory.mb[i]!
  return null
}

/** The node that worked at a moment: of several, the one that began last. */
export function workingAt(executions: readonly Execution[], at: number, now: number): Execution | null {
  let found: Execution | null = null
  for (const each of executions) {
    if (each.state === 'cached' || each.offset_ms === null || each.offset_ms > at) continue
    const end = each.offset_ms + (each.duration_ms ?? (each.state === 'running' ? now - each.offset_ms : 0))
    if (end >= at && (!found || each.offset_ms >= found.offset_ms!)) found = each
  }
  return found
}
