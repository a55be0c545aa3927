import { describe, expect, it } from 'vitest'
import { linkOf, preview } from './preview'

describe('a value on one line', () => {
  it('is what a person would say of it', () => {
    expect(preview('a cat')).toBe('a cat')
    expect(preview(20)).toBe('20')
    expect(preview(null)).toBe('null')
    expect(preview({ type: 'Tensor', shape: [1, 4, 64, 64], dtype: 'float16', device: 'cuda:0', min: -4.12345, nan: false })).toBe('Tensor 1×4×64×64 float16 cuda:0 min=-4.123')
    expect(preview({})).toBe('{}')
    expect(preview(['a', 1])).toBe('a, 1')
    expect(preview([{ type: 'Tensor', shape: [2] }, { type: 'int' }])).toBe('Tensor 2 · int')
    expect(preview('x'.repeat(500))).toHaveLength(301)
  })
  it('knows a link when it sees one', () => {
    expect(linkOf(['4', 1])).toEqual({ id: '4', output: 1 })
    for (const other of [['4', '1'], [4, 1], ['4'], '4', null]) expect(linkOf(other)).toBeNull()
  })
})
