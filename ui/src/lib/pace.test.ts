import { describe, expect, it } from 'vitest'
import { against, elapsed, height, medianOf, progress, remaining, waits } from './pace'
import { run } from './runs.fixture'

const NOW = Date.parse('2026-01-01T00:01:00Z')

describe('a run', () => {
  it('takes its own time, or what has passed while it runs', () => {
    expect(elapsed(run('a', { duration_ms: 5 }), NOW)).toBe(5)
    expect(elapsed(run('a', { state: 'running' }), NOW)).toBe(40_000)
    expect(elapsed(run('a', { state: 'running', started_at: '2027-01-01T00:00:00Z' }), NOW)).toBe(0)
    expect(elapsed(run('a', { state: 'lost' }), NOW)).toBeNull()
  })
  it('is compared with what is usual only where both are known', () => {
    expect([against(run('a', { duration_ms: 30, usual_ms: 20 })), against(run('a', { duration_ms: 30 }))]).toEqual([1.5, null])
    expect(remaining(run('a', { state: 'running', usual_ms: 60_000 }), NOW)).toBe(20_000)
    expect(remaining(run('a', { state: 'running', usual_ms: 30_000 }), NOW)).toBeNull()
  })
  it('progresses by nodes, and within a node by steps', () => {
    const nodes = { total: 4, finished: 1, cached: 1, failed: 0 }
    const current = { node: 'KSampler', node_id: '3', since: '', value: 10, max: 20 }
    expect([progress({ nodes, current: null }), progress({ nodes, current })]).toEqual([0.5, 0.625])
    expect(progress({ nodes: { ...nodes, total: null }, current })).toBeNull()
    expect(progress({ nodes: { ...nodes, finished: 9 }, current })).toBe(1)
  })
})

describe('a strip of runs', () => {
  it('has a middle', () => {
    expect([medianOf([]), medianOf([3]), medianOf([9, 1, 5]), medianOf([4, 1, 2, 3])]).toEqual([null, 3, 5, 2.5])
  })
  it('draws what is usual at half the height, and stays within the strip', () => {
    expect(height(run('a', { duration_ms: 10, usual_ms: 10 }), null, NOW)).toBe(0.5)
    expect(height(run('a', { duration_ms: 900, usual_ms: 10 }), null, NOW)).toBe(1)
    expect(height(run('a', { duration_ms: 0, usual_ms: 10 }), null, NOW)).toBe(0.15)
    expect(height(run('a', { duration_ms: 15 }), 20, NOW)).toBe(0.375)
    expect(height(run('a', { duration_ms: 15 }), null, NOW)).toBe(0.5)
    expect(height(run('a', { state: 'queued' }), 20, NOW)).toBe(0.25)
  })
})

describe('a queue', () => {
  it('tells when it is whose turn', () => {
    const running = [run('a', { state: 'running', usual_ms: 50_000 })]
    const pending = [run('b', { usual_ms: 5_000 }), run('c'), run('d', { usual_ms: 5_000 })]
    expect(waits({ state: 'busy', running, pending }, NOW)).toEqual([10_000, 15_000, null])
  })
  it('promises nothing where nothing moves', () => {
    expect(waits({ state: 'dead', running: [], pending: [run('b', { usual_ms: 5_000 })] }, NOW)).toEqual([null])
  })
  it('expects a late run at any moment, and knows nothing behind an unknown one', () => {
    const late = run('a', { state: 'running', usual_ms: 30_000 })
    expect(waits({ state: 'busy', running: [late], pending: [run('b')] }, NOW)).toEqual([0])
    expect(waits({ state: 'busy', running: [run('a', { state: 'running' })], pending: [run('b', { usual_ms: 1 })] }, NOW)).toEqual([null])
  })
})
