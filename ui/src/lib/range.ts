/** Spans of time as the URL holds them: `now-6h`, `now`, or an ISO moment. */
import { parts, two } from './format'
import type { Zone } from './prefs.svelte'

export interface Range {
  from: string
  to: string
}

export interface Span {
  start: Date
  end: Date
}

export const PRESETS = ['15m', '1h', '6h', '24h', '7d'] as const
export const LONGER_PRESETS = [...PRESETS, '30d'] as const

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Milliseconds of `15m`; null when it is no such thing. */
export function lengthOf(text: string): number | null {
  const found = /^(\d+)([smhdw])$/.exec(text)
  return found ? Number(found[1]) * UNITS[found[2]!]! : null
}

/** The range as an address says it, which is silent on what the page shows without being asked. */
export const inAddress = ({ from, to }: Range, unasked: Range): { from: string | null; to: string | null } => ({
  from: from === unasked.from ? null : from,
  to: to === unasked.to ? null : to,
})

export const last = (preset: string): Range => ({ from: `now-${preset}`, to: 'now' })

/** The preset that a range is, such as `6h`; null for fixed moments. */
export function presetOf(range: Range): string | null {
  if (range.to !== 'now' || !range.from.startsWith('now-')) return null
  const preset = range.from.slice(4)
  return lengthOf(preset) === null ? null : preset
}

export function momentOf(text: string, now: number): Date | null {
  if (text === 'now') return new Date(now)
  if (text.startsWith('now-')) {
    const back = lengthOf(text.slice(4))
    return back === null ? null : new Date(now - back)
  }
  const at = new Date(text)
  return Number.isNaN(at.getTime()) ? null : at
}

/** Fixed start and end. Nonsense from a mistyped URL falls back to `fallback`. */
export function resolve(range: Range, now: number, fallback = '6h'): Span {
  const start = momentOf(range.from, now)
  const end = momentOf(range.to, now)
  if (start && end && start < end) return { start, end }
  return { start: new Date(now - (lengthOf(fallback) ?? UNITS.h!)), end: new Date(now) }
}

export const fixed = (start: Date, end: Date): Range => ({ from: start.toISOString(), to: end.toISOString() })

/** Twice as wide around the same middle, not beyond now. */
export function widen(span: Span, now: number): Range {
  const half = (span.end.getTime() - span.start.getTime()) / 2
  return fixed(new Date(span.start.getTime() - half), new Date(Math.min(span.end.getTime() + half, now)))
}

/** The value of an `<input type=datetime-local>` for a moment, on the reader's clock. */
export function toInput(at: Date, zone: Zone): string {
  const p = parts(at, zone)
  return `${p.year}-${two(p.month)}-${two(p.day)}T${two(p.hour)}:${two(p.minute)}:${two(p.second)}`
}

export function fromInput(value: string, zone: Zone): Date | null {
  if (!value) return null
  const at = new Date(zone === 'utc' ? `${value}Z` : value)
  return Number.isNaN(at.getTime()) ? null : at
}
