import { describe, expect, it } from 'vitest'
import { brief, harmless, marked, oneLine } from './text'

describe('hostile text', () => {
  it('cannot turn, hide or colour what follows', () => {
    expect(harmless('a\u202Egnp.exe')).toBe('a\\u202egnp.exe')
    expect(harmless('\u001b[31mred\u001b[0m \u001b]0;title\u0007')).toBe('red ␛]0;title␇')
    expect(harmless('tab\tand\nbreak')).toBe('tab\tand\nbreak')
  })
  it('fits on one line', () => {
    expect(oneLine('a\r\n  b\tc')).toBe('a ⏎ b c')
    expect(oneLine('x'.repeat(5000)).length).toBe(1001)
    expect([brief('a name'), brief('x'.repeat(5000))]).toEqual(['a name', `${'x'.repeat(80)}…`])
  })
})

describe('marked', () => {
  it('cuts at every hit and loses nothing', () => {
    const text = 'CUDA out of memory, Memory (显存)'
    const pieces = marked(text, ['memory', '显存', '('])
    expect(pieces.map((p) => p.text).join('')).toBe(text)
    expect(pieces.filter((p) => p.marked).map((p) => p.text)).toEqual(['memory', 'Memory', '(', '显存'])
  })
  it('leaves text without hits whole', () => {
    expect(marked('a', [])).toEqual([{ text: 'a', marked: false }])
    expect(marked('a', ['b'])).toEqual([{ text: 'a', marked: false }])
    expect(marked('', ['b'])).toEqual([])
  })
})
