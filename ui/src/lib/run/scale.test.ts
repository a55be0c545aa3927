import { describe, expect, it } from 'vitest'
import type { Execution } from '../runs'
import { about, around, axisOf, percentAt, read, ticks, within, written } from './scale'

const node = (offset_ms: number, duration_ms: number): Execution => ({ offset_ms, duration_ms }) as Execution

describe('the time axis', () => {
  it('is marked in steps people count in, never before the start', () => {
    expect(ticks([0, 60_000], 5)).toEqual([0, 15_000, 30_000, 45_000, 60_000])
    expect(ticks([-2000, 9000], 5)).toEqual([0, 5000])
    expect(ticks([100, 104], 4)).toEqual([100, 101, 102, 103, 104])
    expect(ticks([0, 40 * 86_400_000], 4).length).toBeLessThan(6)
  })
  it('begins with the wait', () => {
    expect(axisOf({ queue_ms: 1000, usual_ms: null }, [node(0, 20_000)], null, 20_000, false)).toEqual({ span: [-1000, 20_000], cut: false })
  })
  it('cuts a wait that would leave no room for the nodes', () => {
    const { span, cut } = axisOf({ queue_ms: 600_000, usual_ms: null }, [node(0, 20_000)], null, 20_000, false)
    expect(cut).toBe(true)
    expect(-span[0] / (span[1] - span[0])).toBeCloseTo(0.14)
  })
  it('shows a running one as long as it usually takes', () => {
    expect(axisOf({ queue_ms: 0, usual_ms: 30_000 }, [], null, 4000, true).span[1]).toBe(30_000)
    expect(axisOf({ queue_ms: 0, usual_ms: 30_000 }, [], null, 50_000, true).span[1]).toBe(52_000)
  })
  it('has a length even when nothing was measured', () => {
    const { span } = axisOf({ queue_ms: null, usual_ms: null }, [], null, 0, false)
    expect(span[1]).toBeGreaterThan(span[0])
  })
})

describe('zoom', () => {
  const whole = [-1000, 20_000] as const
  it('stays inside the run', () => {
    expect(within([-5000, 1000], whole)).toEqual([-1000, 5000])
    expect(within([19_000, 25_000], whole)).toEqual([14_000, 20_000])
    expect(within(whole, whole)).toBeNull()
    expect(within([5, 5], whole)).toEqual([5, 7])
  })
  it('keeps the moment under the pointer', () => {
    const closer = around([0, 1000], 250, 0.5)
    expect(closer).toEqual([125, 625])
    expect(percentAt(250, closer)).toBeCloseTo(25)
  })
  it('survives the address', () => {
    expect(read(written([-12.4, 880.6]))).toEqual([-12, 881])
    for (const bad of [null, '', '5', '9_3', 'a_b', '1_2_3']) expect(read(bad)).toBeNull()
  })
  it('leaves air around a node', () => {
    expect(about(1000, 1000)).toEqual([990, 1010])
  })
})
