/** The time axis of a run. All times are milliseconds from the moment the run started; the wait before it is negative. */
import type { Curve, Execution, Run } from '../runs'

export type Span = readonly [from: number, to: number]

/** Steps that people count in: 1, 2 and 5 below a second and in seconds, then parts of minutes and hours. */
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
  1_800_000, 3_600_000, 7_200_000, 14_400_000, 43_200_000, 86_400_000,
]

/** Round moments inside `span`, about `wanted` of them. */
export function ticks([from, to]: Span, wanted: number): number[] {
  const raw = (to - from) / Math.max(1, wanted)
  const step = STEPS.find((each) => each >= raw) ?? Math.ceil(raw / STEPS.at(-1)!) * STEPS.at(-1)!
  const marks: number[] = []
  for (let at = Math.ceil(Math.max(0, from) / step) * step; at <= to; at += step) marks.push(at)
  return marks
}

/** How much of the axis a wait may take; a longer one is drawn cut off, its length in words. */
const WAIT_SHARE = 0.14

export interface Axis {
  span: Span
  /** The wait is longer than its room. */
  cut: boolean
}

/** The whole of a run. A running one keeps some room in front of it, so that the axis does not move with every reading. */
export function axisOf(run: Pick<Run, 'queue_ms' | 'usual_ms'>, executions: readonly Execution[], curve: Curve | null, length: number, running: boolean): Axis {
  let end = Math.max(1, length)
  for (const each of executions) end = Math.max(end, (each.offset_ms ?? 0) + (each.duration_ms ?? 0))
  const last = curve?.offset_ms.at(-1)
  if (last !== undefined) end = Math.max(end, Math.min(last, end * 1.05))
  if (running) end = Math.max(end * 1.04, run.usual_ms ?? 0)
  const wait = Math.max(0, run.queue_ms ?? 0)
  const room = (end * WAIT_SHARE) / (1 - WAIT_SHARE)
  return { span: [-Math.min(wait, room), end], cut: wait > room }
}

/** Nobody needs to look closer than this. */
const CLOSEST_MS = 2

/** `wanted` inside `whole`; null when it is the whole, or nothing. */
export function within(wanted: Span, whole: Span): Span | null {
  const length = Math.min(whole[1] - whole[0], Math.max(CLOSEST_MS, wanted[1] - wanted[0]))
  if (!Number.isFinite(length) || length >= (whole[1] - whole[0]) * 0.995) return null
  const from = Math.min(Math.max(wanted[0], whole[0]), whole[1] - length)
  return [from, from + length]
}

/** `span` made `factor` times as long around `at`. */
export const around = (span: Span, at: number, factor: number): Span => [at - (at - span[0]) * factor, at + (span[1] - at) * factor]

export const moved = (span: Span, by: number): Span => [span[0] + by, span[1] + by]

/** A node with a little of what is around it. */
export function about(from: number, to: number): Span {
  const air = Math.max(10, (to - from) * 0.15)
  return [from - air, to + air]
}

/** `from_to` in the address. */
export const written = (span: Span | null): string | null => (span ? `${Math.round(span[0])}_${Math.round(span[1])}` : null)

export function read(text: string | null): Span | null {
  const found = /^(-?\d{1,12})_(-?\d{1,12})$/.exec(text ?? '')
  if (!found) return null
  const [from, to] = [Number(found[1]), Number(found[2])]
  return to > from ? [from, to] : null
}

/** Where a moment stands in a span, in per cent of its length. */
export const percentAt = (at: number, [from, to]: Span): number => ((at - from) / (to - from)) * 100
