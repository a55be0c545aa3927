import { describe, expect, it } from 'vitest'
import { roughly } from './format'
import { against, asQuery, elapsed, filterOf, height, isFiltered, medianOf, memory, nameOf, progress, remaining, renewed, updated, waits, type Run } from './runs'

const NOW = Date.parse('2026-01-01T00:01:00Z')

const run = (id: string, more: Partial<Run> = {}): Run => ({
  id,
  state: 'finished',
  workflow_name: null,
  graph_hash: null,
  instance: 'gpu-1',
  service: 'comfyui',
  user_id: null,
  host: null,
  queued_at: '2026-01-01T00:00:00Z',
  started_at: '2026-01-01T00:00:20Z',
  ended_at: null,
  queue_ms: null,
  duration_ms: null,
  nodes: { total: null, finished: 0, cached: 0, failed: 0 },
  vram_peak_mb: null,
  ram_peak_mb: null,
  outputs: 0,
  error: null,
  current: null,
  usual_ms: null,
  replay_of: null,
  ...more,
})
const ids = (rows: readonly Run[]): string => rows.map(({ id }) => id).join('')

describe('a run', () => {
  it('is called by its workflow, its graph, or its id', () => {
    expect([
      nameOf(run('0123456789', { workflow_name: 'portrait', graph_hash: 'abc' })),
      nameOf(run('0123456789', { graph_hash: 'abcdef012345' })),
      nameOf(run('0123456789')),
    ]).toEqual(['portrait', 'graph abcdef', '01234567'])
  })
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
  it('shows its memory as graphics cards are sold', () => {
    expect([memory(512), memory(24_576), memory(23_757)]).toEqual(['512MB', '24GB', '23.2GB'])
  })
})

describe('a guess', () => {
  it('is in steps that it can keep', () => {
    expect([roughly(1), roughly(42_000), roughly(58_000), roughly(400_000), roughly(7_900_000)]).toEqual(['5s', '45s', '1m', '7m', '2h 10m'])
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
    expect(waits({ running, pending }, NOW)).toEqual([10_000, 15_000, null])
  })
  it('expects a late run at any moment, and knows nothing behind an unknown one', () => {
    const late = run('a', { state: 'running', usual_ms: 30_000 })
    expect(waits({ running: [late], pending: [run('b')] }, NOW)).toEqual([0])
    expect(waits({ running: [run('a', { state: 'running' })], pending: [run('b', { usual_ms: 1 })] }, NOW)).toEqual([null])
  })
})

describe('rows read again', () => {
  const rows = ['d', 'c', 'b', 'a'].map((id) => run(id))
  it('begin with the new ones and keep the older pages', () => {
    const { rows: now, joined } = renewed(rows, [run('e'), run('d'), run('c', { state: 'failed' })], false)
    expect([ids(now), now[2]!.state, joined]).toEqual(['edcba', 'failed', true])
  })
  it('lose what no longer answers to the filter', () => {
    expect(ids(renewed(rows, [run('e'), run('c'), run('b')], false).rows)).toBe('ecba')
  })
  it('are all there is when the page is the last one', () => {
    expect(ids(renewed(rows, [run('e')], true).rows)).toBe('e')
  })
  it('start anew rather than with a gap', () => {
    const { rows: now, joined } = renewed(rows, [run('z'), run('y')], false)
    expect([ids(now), joined]).toEqual(['zy', false])
  })
  it('stay in place under the eyes of the reader', () => {
    const now = updated(rows, [run('e'), run('c', { state: 'failed' })])
    expect([ids(now), now[1]!.state]).toEqual(['dcba', 'failed'])
  })
})

describe('a filter', () => {
  it('is what the address says, without nonsense', () => {
    const filter = filterOf(new URLSearchParams('state=lost,failed,odd&user=maria&q=abc'))
    expect(filter).toEqual({ states: ['failed', 'lost'], user: 'maria', workflow: '', instance: '', q: 'abc' })
    expect(asQuery(filter)).toEqual({ state: 'failed,lost', user: 'maria', workflow: '', instance: '', q: 'abc' })
    expect([isFiltered(filter), isFiltered(filterOf(new URLSearchParams('from=now-1h')))]).toEqual([true, false])
  })
})
