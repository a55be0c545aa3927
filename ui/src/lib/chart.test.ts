import { describe, expect, it } from 'vitest'
import type { Bucket } from './api'
import { bars, levelsIn, niceTop, ticks } from './chart'

describe('the histogram', () => {
  it('ends its axis on a round number above all bars', () => {
    for (const n of [1, 2, 3, 7, 9, 11, 99, 101, 1550, 2999, 123_456]) {
      const top = niceTop(n)
      expect(top).toBeGreaterThanOrEqual(n)
      expect(top).toBeLessThanOrEqual(Math.max(2, n * 2))
      expect(top % 2).toBe(0)
    }
  })
  it('ticks at round moments of the clock in use', () => {
    const start = Date.parse('2026-11-22T16:23:10Z')
    const found = ticks(start, start + 6 * 3_600_000, 12, 'utc')
    expect(found[0]!.label).toBe('16:30')
    expect(found.map((tick) => tick.label)).toContain('20:00')
    expect(found.length).toBeLessThanOrEqual(13)
    expect(ticks(start, start + 8 * 86_400_000, 12, 'utc')[0]!.label).toBe('11-23')
    expect(ticks(start, start + 30_000, 10, 'utc')[0]!.label).toBe('16:23:10')
  })
  it('stacks what is wrong at the ground, and keeps it visible', () => {
    const buckets: Bucket[] = [{ at: '', counts: { INFO: 9997, ERROR: 3 } }, { at: '', counts: {} }]
    const levels = levelsIn(buckets)
    expect(levels).toEqual(['ERROR', 'INFO'])
    const [bar, empty] = bars(buckets, levels, { left: 0, width: 100, height: 80, top: 10_000 })
    expect(bar!.parts[0]).toEqual({ level: 'ERROR', y: 78, height: 2 })
    expect(bar!.parts[1]!.y).toBeGreaterThanOrEqual(0)
    expect(empty!.parts).toEqual([])
  })
})
