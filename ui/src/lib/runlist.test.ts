import { describe, expect, it } from 'vitest'
import { asQuery, filterOf, isFiltered, lostLeft, renewed, updated } from './runlist'
import type { Run } from './runs'
import { run } from './runs.fixture'

const ids = (rows: readonly Run[]): string => rows.map(({ id }) => id).join('')

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

describe('lost runs', () => {
  it('are left as long as no run is a replay of them', () => {
    const rows = [run('new', { replay_of: 'b' }), run('other', { replay_of: 'ok' }), run('ok'), run('b', { state: 'lost' }), run('a', { state: 'lost' })]
    expect([lostLeft(2, rows), lostLeft(1, rows.slice(0, 4)), lostLeft(7, rows)]).toEqual([1, 0, 6])
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
