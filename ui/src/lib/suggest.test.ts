import { describe, expect, it } from 'vitest'
import { spotAt, suggest, wantsValues } from './suggest'

const at = (query: string) => spotAt(query, query.length)
const texts = (query: string, values: string[] = []) => suggest(at(query)!, values, ['attributes.steps']).map((s) => s.text)

describe('the completion list', () => {
  it('offers fields, also behind a minus', () => {
    expect(texts('lev')).toEqual(['level:'])
    expect(texts('memory -wor')).toEqual(['workflow_id:', 'workflow_name:'])
    expect(texts('attributes.s')).toEqual(['attributes.steps:'])
    expect(texts('memory ')).toEqual([])
  })
  it('offers values, quoted where they must be', () => {
    expect(texts('level:e')).toEqual(['ERROR '])
    expect(texts('x node:', ['KSampler', 'Load Image'])).toEqual(['KSampler ', '"Load Image" '])
    expect(texts('node:"Lo', ['Load Image'])).toEqual(['"Load Image" '])
    expect(texts('level:(ERROR OR w')).toEqual(['WARNING '])
    expect(texts('event:run_fa')).toEqual(['run_failed '])
  })
  it('knows what stands behind a pipe', () => {
    expect(texts('* | st')).toEqual(['stats '])
    expect(texts('* | stats av')).toEqual(['avg(duration_ms) '])
    expect(texts('* | stats count() by nod')).toEqual(['node ', 'node_id '])
  })
  it('stays silent inside a phrase', () => {
    expect(at('"out of lev')).toBeNull()
    expect(at('message:"out of lev')).toBeNull()
  })
  it('says where the text goes', () => {
    expect(at('memory -lev')).toMatchObject({ start: 8, end: 11, prefix: 'lev' })
    expect(at('node:"Lo')).toMatchObject({ start: 5, end: 8, field: 'node' })
    expect(at('NOT node:KS')).toMatchObject({ start: 9, end: 11, field: 'node', prefix: 'KS' })
  })
  it('asks the server only for fields that have few values', () => {
    expect(wantsValues(at('node:K'))).toBe('node')
    expect(wantsValues(at('message:K'))).toBeNull()
    expect(wantsValues(at('level:E'))).toBeNull()
  })
})
