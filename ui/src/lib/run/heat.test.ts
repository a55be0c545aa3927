import { describe, expect, it } from 'vitest'
import type { NodeState } from '../looks'
import type { Execution } from '../runs'
import { colourOf, heat, isMode, rangeOf, ratioOf } from './heat'

const node = (given: Partial<Execution>): Execution =>
  ({ duration_ms: null, vram_peak_mb: null, vram_used_mb: null, torch_peak_mb: null, ram_used_mb: null, ...given }) as Execution

describe('the ramp', () => {
  it('goes from its first colour to its last and no further', () => {
    expect(heat(0)).toBe('color-mix(in oklab, var(--heat1) 0%, var(--heat0))')
    expect(heat(1)).toBe('color-mix(in oklab, var(--heat4) 100%, var(--heat3))')
    expect([heat(7), heat(-1), heat(NaN)]).toEqual([heat(1), heat(0), heat(0)])
  })
  it('starts at no time, but at the least memory', () => {
    const nodes = [node({ duration_ms: 400, vram_peak_mb: 5000 }), node({ duration_ms: 1600, vram_peak_mb: 9000 }), node({})]
    expect(rangeOf('time', nodes)).toEqual({ least: 0, most: 1600 })
    expect(rangeOf('memory', nodes)).toEqual({ least: 5000, most: 9000 })
    expect(rangeOf('status', nodes)).toBeNull()
    expect(rangeOf('memory', [node({})])).toBeNull()
    expect(ratioOf('time', nodes[0]!, { least: 0, most: 1600 })).toBe(0.5)
    expect(ratioOf('memory', nodes[1]!, { least: 5000, most: 9000 })).toBe(1)
  })
  it('takes the memory of the process where there is no GPU', () => {
    expect(rangeOf('memory', [node({ ram_used_mb: 700 }), node({ ram_used_mb: 900 })])).toEqual({ least: 700, most: 900 })
  })
  it('leaves out what took no time because nothing was computed', () => {
    expect(rangeOf('time', [node({ state: 'cached', duration_ms: 0 }), node({ state: 'blocked' })])).toBeNull()
  })
  it('gives way to what went wrong, which is red only where it failed', () => {
    const range = { least: 0, most: 100 }
    const of = (state: NodeState) => colourOf('time', state, node({ duration_ms: 100 }), range)
    expect([of('failed'), of('blocked'), of('never')]).toEqual(['var(--fill-err)', 'var(--fill-warn)', 'var(--heat0)'])
    expect(of('finished')).toBe(heat(1))
    expect(colourOf('status', 'finished', node({}), null)).toBe('var(--ok)')
  })
  it('knows its modes', () => {
    expect([isMode('memory'), isMode('vram'), isMode(null)]).toEqual([true, false, false])
  })
})
