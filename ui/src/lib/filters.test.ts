import { describe, expect, it } from 'vitest'
import { askedFields, conditionOf, path, quote, searchedWords, stateOf, toggle, withoutField } from './filters'

describe('quote', () => {
  it('leaves plain words alone and quotes everything that could be syntax', () => {
    expect(quote('KSampler')).toBe('KSampler')
    expect(quote('studio-gpu-02')).toBe('studio-gpu-02')
    expect(quote('王工')).toBe('王工')
    expect(quote(30)).toBe('30')
    for (const text of ['a b', 'a:b', '(x)', 'x*', '/re/', '-x', 'OR', 'to', '', 'a|b', 'now>1'])
      expect(quote(text)).toBe(`"${text}"`)
  })
  it('escapes what would end the quotes', () => {
    expect(quote('say "hi"')).toBe('"say \\"hi\\""')
    expect(quote('C:\\x')).toBe('"C:\\\\x"')
  })
})

describe('toggle', () => {
  it('adds, takes back, excludes and flips', () => {
    expect(toggle('', 'level', 'ERROR')).toBe('level:ERROR')
    expect(toggle('memory', 'level', 'ERROR')).toBe('memory level:ERROR')
    expect(toggle('memory level:ERROR', 'level', 'ERROR')).toBe('memory')
    expect(toggle('memory level:ERROR', 'level', 'ERROR', true)).toBe('memory -level:ERROR')
    expect(toggle('-level:ERROR memory', 'level', 'ERROR')).toBe('memory level:ERROR')
    expect(toggle('-level:ERROR memory', 'level', 'ERROR', true)).toBe('memory')
  })
  it('understands every spelling of a negation', () => {
    for (const query of ['NOT host:a', 'not host:a', '!host:a', '-host:a', 'x AND NOT host:a'])
      expect(stateOf(query, 'host', 'a')).toBe('out')
    expect(toggle('x AND NOT host:a', 'host', 'a', true)).toBe('x')
    expect(toggle('host:a AND x', 'host', 'a')).toBe('x')
    expect(toggle('a AND host:b AND c', 'host', 'b')).toBe('a AND c')
  })
  it('widens a field that is already asked for, because one event has one value', () => {
    const both = toggle('level:ERROR memory', 'level', 'WARNING')
    expect(both).toBe('level:(ERROR OR WARNING) memory')
    expect(toggle(both, 'level', 'ERROR')).toBe('level:WARNING memory')
    expect(toggle(both, 'level', 'ERROR', true)).toBe('level:WARNING memory -level:ERROR')
  })
  it('excludes one value after another', () => {
    expect(toggle('-host:a', 'host', 'b', true)).toBe('-host:a -host:b')
  })
  it('puts brackets around an OR, and stays before the pipes', () => {
    expect(toggle('a OR b', 'host', 'x')).toBe('(a OR b) host:x')
    expect(toggle('level:ERROR | stats count() by node', 'node', 'VAEDecode')).toBe(
      'level:ERROR node:VAEDecode | stats count() by node',
    )
    expect(toggle('* | stats count()', 'host', 'x')).toBe('host:x | stats count()')
  })
  it('reads the other spellings of the language', () => {
    expect(toggle('a || b', 'host', 'x')).toBe('(a || b) host:x')
    expect(toggle('a && host:x && b', 'host', 'x')).toBe('a && b')
    expect(toggle('level：ERROR “内存 不足”', 'level', 'ERROR')).toBe('“内存 不足”')
    expect(toggle('host:“a b” c', 'host', 'a b', true)).toBe('c -host:"a b"')
  })
  it('is not fooled by syntax inside quotes, groups and patterns', () => {
    const query = 'message:"a OR | level:ERROR" /x|y/ (p OR q)'
    expect(stateOf(query, 'level', 'ERROR')).toBeNull()
    expect(toggle(query, 'level', 'ERROR')).toBe(`${query} level:ERROR`)
  })
  it('takes back any value it put in', () => {
    for (const value of ['a b', '"', '\\', '\\"', '(', ')', 'x | y', 'NOT', '-1', '', '多 字', '<b>&amp;</b>', 'a\nb']) {
      const once = toggle('memory', 'user_id', value)
      expect(stateOf(once, 'user_id', value)).toBe('in')
      expect(toggle(once, 'user_id', value)).toBe('memory')
      expect(stateOf(toggle('', 'user_id', value, true), 'user_id', value)).toBe('out')
    }
  })
  it('knows a level in any case', () => {
    expect(stateOf('level:error', 'level', 'ERROR')).toBe('in')
    expect(toggle('level:error', 'level', 'ERROR')).toBe('')
  })
})

describe('parts of a query', () => {
  it('knows where the pipes begin', () => {
    expect(conditionOf('level:ERROR | stats count() by node | limit 3')).toBe('level:ERROR')
    expect(conditionOf('message:"a|b"')).toBe('message:"a|b"')
    expect(conditionOf('| stats count()')).toBe('')
  })
  it('leaves a field out to count its other values', () => {
    expect(withoutField('level:ERROR host:a memory -level:DEBUG', 'level')).toBe('host:a memory -level:DEBUG')
    expect([...askedFields('level:ERROR -host:a node:(x OR y) duration_ms:>3')]).toEqual(['level', 'node'])
  })
  it('finds the words to mark', () => {
    expect(searchedWords('memory "out of" level:ERROR -cuda 显存 message:tensor pre*')).toEqual([
      'memory',
      'out of',
      '显存',
      'tensor',
    ])
  })
  it('escapes odd keys of attributes', () => {
    expect(path(['attributes', 'sampler', 'steps'])).toBe('attributes.sampler.steps')
    expect(path(['attributes', 'a b:c'])).toBe('attributes.a\\ b\\:c')
  })
  it('never hangs or throws on unfinished text', () => {
    for (const query of ['"', '(', 'a:(', 'a:"', '/', 'a:/', ')', '))(', '-', '- -', '\\', 'a:\\', '[1 TO', 'a:(b OR', '||'])
      expect(typeof toggle(query, 'host', 'x')).toBe('string')
  })
})
