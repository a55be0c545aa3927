import { describe, expect, it } from 'vitest'
import type { Execution, RunDetail, RunState } from '../runs'
import { blockedNodes, complaint, rejections, withoutCurve, withoutGraph, withoutNodes } from './story'

const run = (state: RunState, given: Partial<RunDetail> = {}): RunDetail =>
  ({
    state,
    started_at: null,
    duration_ms: null,
    executions: [],
    graph: null,
    node_errors: null,
    nodes: { total: null, finished: 0, cached: 0, failed: 0 },
    prompt: { kept: false, sha256: null, redacted: [], reason: null },
    ...given,
  }) as unknown as RunDetail

describe('what is missing', () => {
  it('is explained by how the run ended, with what to do where something helps', () => {
    const titles = (['queued', 'rejected', 'lost', 'running', 'finished'] as const).map((state) => withoutNodes(run(state))?.title)
    expect(titles).toEqual(['ui.run.none.queued', 'ui.run.none.rejected', 'ui.run.none.lost', 'ui.run.none.running', 'ui.run.none.outside'])
    expect(withoutNodes(run('finished'))?.command).toContain('install')
    expect(withoutNodes(run('queued'))?.command).toBeUndefined()
    expect(withoutNodes(run('finished', { executions: [{} as Execution] }))).toBeNull()
  })
  it('says why there is no graph', () => {
    expect(withoutGraph(run('finished', { prompt: { kept: false, sha256: null, redacted: [], reason: 'too large' } }))?.values).toEqual({ reason: 'too large' })
    expect(withoutGraph(run('finished'))?.command).toContain('install')
    expect(withoutGraph(run('finished', { prompt: { kept: true, sha256: 'x', redacted: [], reason: null } }))?.text).toBe('ui.run.nograph.unreadable')
  })
  it('says why there is no curve', () => {
    expect(withoutCurve(run('queued'))).toBe('ui.run.nocurve.before')
    expect(withoutCurve(run('finished', { duration_ms: 40 }))).toBe('ui.run.nocurve.short')
    expect(withoutCurve(run('finished', { duration_ms: 40_000 }))).toBe('ui.run.nocurve.outside')
  })
  it('lists the complaints of a validation, even half told', () => {
    const told = { '4': { class_type: 'KSampler', errors: [{ type: 'value_not_in_list', details: 'cfg' }] }, '5': {} }
    expect(rejections(run('rejected', { node_errors: told }))).toEqual([
      { id: '4', node: 'KSampler', errors: [{ message: 'value_not_in_list', details: 'cfg' }] },
      { id: '5', node: '', errors: [] },
    ])
    expect(rejections(run('finished'))).toEqual([])
  })
  it('lists the blocked nodes with what the blocker says', () => {
    const nodes = [{ node_id: '1', state: 'finished' }, { node_id: '2', state: 'blocked', title: 'Save', node: 'SaveImage', error: { type: 'ExecutionBlocked', message: 'off', traceback: null } }]
    expect(blockedNodes(nodes as Execution[])).toEqual([{ id: '2', node: 'Save', said: ['off'] }])
    expect(complaint({ id: '4', node: 'KSampler', errors: [{ message: 'Value not in list', details: 'cfg' }, { message: 'odd', details: '' }] }).said).toEqual(['Value not in list: cfg', 'odd'])
  })
})
