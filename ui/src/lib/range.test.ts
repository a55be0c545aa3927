import { describe, expect, it } from 'vitest'
import { fixed, fromInput, last, presetOf, resolve, toInput, widen } from './range'

const NOW = Date.parse('2026-11-22T10:00:00Z')

describe('ranges', () => {
  it('resolve relative and fixed moments', () => {
    expect(resolve(last('15m'), NOW).start.toISOString()).toBe('2026-11-22T09:45:00.000Z')
    expect(resolve({ from: '2026-11-22T08:00:00Z', to: 'now' }, NOW).end.getTime()).toBe(NOW)
  })
  it('fall back when the URL holds nonsense', () => {
    for (const range of [{ from: 'x', to: 'now' }, { from: 'now', to: 'now-1h' }, { from: 'now-1y', to: '' }])
      expect(resolve(range, NOW, '1h').start.getTime()).toBe(NOW - 3_600_000)
  })
  it('know their preset', () => {
    expect(presetOf(last('6h'))).toBe('6h')
    expect(presetOf(fixed(new Date(0), new Date(1)))).toBeNull()
  })
  it('widen around the middle, not beyond now', () => {
    const wide = widen({ start: new Date(NOW - 60_000), end: new Date(NOW) }, NOW)
    expect(wide).toEqual(fixed(new Date(NOW - 90_000), new Date(NOW)))
  })
  it('survive an input field in either zone', () => {
    const at = new Date(NOW)
    expect(fromInput(toInput(at, 'utc'), 'utc')?.getTime()).toBe(NOW)
    expect(fromInput(toInput(at, 'local'), 'local')?.getTime()).toBe(NOW)
    expect(toInput(at, 'utc')).toBe('2026-11-22T10:00:00')
    expect(fromInput('', 'utc')).toBeNull()
  })
})
