import { describe, expect, it } from 'vitest'
import type { Execution } from '../runs'
import { EVERYTHING, nameOf, parentsOf, rowsOf } from './rows'

let at = 0
const node = (node_id: string, given: Partial<Execution> = {}): Execution =>
  ({ node_id, node: 'KSampler', title: null, parent_id: null, state: 'finished', duration_ms: 10, offset_ms: (at += 10), ...given }) as Execution
const ids = (rows: { execution: Execution }[]): string[] => rows.map((row) => row.execution.node_id)
const shut = new Set<string>()

describe('the rows of the timeline', () => {
  const some = [node('1', { duration_ms: 5 }), node('2', { state: 'cached', title: 'Negative prompt' }), node('3', { duration_ms: 900, node: 'VAEDecode' })]
  it('are in order, or slowest first, or without cached ones, or those that match', () => {
    expect(ids(rowsOf(some, EVERYTHING, shut))).toEqual(['1', '2', '3'])
    expect(ids(rowsOf(some, { ...EVERYTHING, slowest: true }, shut))).toEqual(['3', '2', '1'])
    expect(ids(rowsOf(some, { ...EVERYTHING, cached: false }, shut))).toEqual(['1', '3'])
    expect(ids(rowsOf(some, { ...EVERYTHING, text: ' PROMPT ' }, shut))).toEqual(['2'])
    expect(ids(rowsOf(some, { ...EVERYTHING, text: '#3' }, shut))).toEqual(['3'])
  })
  it('stand below the node that expanded, small groups open, large ones shut', () => {
    const small = [node('5'), node('5.0', { parent_id: '5' }), node('6'), node('5.0.1', { parent_id: '5.0' })]
    const rows = rowsOf(small, EVERYTHING, shut)
    expect(rows.map(({ execution, depth, inside }) => [execution.node_id, depth, inside])).toEqual([
      ['5', 0, 2],
      ['5.0', 1, 1],
      ['5.0.1', 2, 0],
      ['6', 0, 0],
    ])
    expect(ids(rowsOf(small, EVERYTHING, new Set(['5'])))).toEqual(['5', '6'])
    const large = [node('7'), ...Array.from({ length: 40 }, (_, i) => node(`7.${i}`, { parent_id: '7' }))]
    expect(ids(rowsOf(large, EVERYTHING, shut))).toEqual(['7'])
    expect(rowsOf(large, EVERYTHING, new Set(['7']))).toHaveLength(41)
  })
  it('lose nobody whose parent is unknown, and end in a circle of parents', () => {
    expect(ids(rowsOf([node('9.1', { parent_id: '9' })], EVERYTHING, shut))).toEqual(['9.1'])
    const circle = [node('a', { parent_id: 'b' }), node('b', { parent_id: 'a' }), node('c', { parent_id: 'c' })]
    expect(ids(rowsOf(circle, EVERYTHING, shut))).toContain('c')
    expect(parentsOf('a', circle)).toEqual(['b', 'a'])
  })
  it('have names of their own even when a node ran twice at once', () => {
    const twice = [node('1', { offset_ms: 5 }), node('1', { offset_ms: 5 })]
    expect(new Set(rowsOf(twice, EVERYTHING, shut).map((row) => row.key)).size).toBe(2)
  })
  it('are called by their title, else their class, else their id', () => {
    expect([nameOf(node('1', { title: 'Mine' })), nameOf(node('1')), nameOf(node('1', { node: null }))]).toEqual(['Mine', 'KSampler', '#1'])
  })
})
