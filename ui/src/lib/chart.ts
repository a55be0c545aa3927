/** Arithmetic of the level-stacked histogram. */
import { LEVELS, type Bucket } from './api'
import { clock, monthDay, parts } from './format'
import type { Zone } from './prefs.svelte'

/** A round number that is not below `n`, which halves into a whole one. */
export function niceTop(n: number): number {
  if (n <= 2) return 2
  const power = 10 ** Math.floor(Math.log10(n))
  const step = [1, 2, 3, 4, 5, 6, 8, 10].find((k) => k * power >= n)!
  const top = step * power
  return top % 2 ? top + 1 : top
}

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0)

/** The names of all levels that occur, ours in their order first, then anything else. */
export function levelsIn(buckets: readonly Bucket[]): string[] {
  const seen = new Set(buckets.flatMap((bucket) => Object.keys(bucket.counts)))
  return [...LEVELS.filter((level) => seen.delete(level)), ...[...seen].sort()]
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [
  1000, 2000, 5000, 10_000, 15_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR,
  2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY,
]

export interface Tick {
  at: number
  label: string
}

/** Round moments of the reader's clock between two others, at most `most`. */
export function ticks(start: number, end: number, most: number, zone: Zone): Tick[] {
  const step = STEPS.find((s) => (end - start) / s <= most) ?? (end - start) / Math.max(1, most)
  const shift = zone === 'utc' ? 0 : -new Date(start).getTimezoneOffset() * MINUTE
  const found: Tick[] = []
  for (let at = Math.ceil((start + shift) / step) * step - shift; at <= end; at += step) {
    const moment = new Date(at)
    const p = parts(moment, zone)
    const midnight = !p.hour && !p.minute && !p.second
    const label = midnight ? monthDay(moment, zone) : clock(moment, zone).slice(0, step < MINUTE ? 8 : 5)
    found.push({ at, label })
  }
  return found
}

export interface Bar {
  x: number
  width: number
  /** Upper edge and height of each level, from the ground up. */
  parts: { level: string; y: number; height: number }[]
}

/** Bars in pixels. What occurs at all can be seen, errors well: three among thousands are the news. */
export function bars(
  buckets: readonly Bucket[],
  levels: readonly string[],
  box: { left: number; width: number; height: number; top: number },
): Bar[] {
  const slot = box.width / Math.max(1, buckets.length)
  const gap = slot > 6 ? 2 : slot > 3 ? 1 : 0
  return buckets.map((bucket, i) => {
    let ground = box.height
    const stacked = levels.flatMap((level) => {
      const n = bucket.counts[level]
      if (!n) return []
      const least = level === 'ERROR' || level === 'CRITICAL' ? 2 : 1
      const height = Math.min(Math.max(least, (n / box.top) * box.height), ground)
      ground -= height
      return [{ level, y: ground, height }]
    })
    return { x: box.left + i * slot + gap / 2, width: Math.max(1, slot - gap), parts: stacked }
  })
}
