import { describe, expect, it } from 'vitest'
import { Offsets } from './offsets'

describe('Offsets', () => {
  it('finds rows by height, with an opened row above', () => {
    const rows = new Offsets(28)
    rows.set(3, 200)
    expect(rows.top(3)).toBe(84)
    expect(rows.top(4)).toBe(312)
    expect(rows.at(83, 100)).toBe(2)
    expect(rows.at(84, 100)).toBe(3)
    expect(rows.at(311, 100)).toBe(3)
    expect(rows.at(312, 100)).toBe(4)
    expect(rows.top(100_000)).toBe(2_800_200)
  })
  it('agrees with itself on every row', () => {
    const rows = new Offsets(26)
    for (const i of [0, 7, 8, 99]) rows.set(i, 10 * i + 1)
    for (let i = 0; i < 100; i++) {
      expect(rows.at(rows.top(i), 100)).toBe(i)
      expect(rows.at(rows.top(i + 1) - 1, 100)).toBe(i)
    }
    expect(rows.at(1e9, 100)).toBe(99)
  })
  it('keeps an opened row open when others arrive above', () => {
    const rows = new Offsets(20)
    rows.set(0, 50)
    rows.shift(3)
    expect(rows.top(3)).toBe(60)
    expect(rows.top(4)).toBe(130)
    rows.set(3, 0)
    expect(rows.top(4)).toBe(80)
  })
  it('paints only what is near the view', () => {
    const rows = new Offsets(20)
    expect(rows.window(1000, 200, 100_000, 5)).toEqual([45, 66])
    expect(rows.window(0, 200, 3, 5)).toEqual([0, 3])
    expect(rows.window(0, 200, 0)).toEqual([0, 0])
  })
})
