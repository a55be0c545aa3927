import { describe, expect, it } from 'vitest'
import type { Execution } from '../runs'
import { line, memoryOf, readingAt, topOf, workingAt } from './curve'

const curve = { offset_ms: [0, 100, 200, 300], vram_mb: [1000, null, 4000, 2000], torch_mb: null, ram_mb: [10, 20, 30, 40], vram_total_mb: 8000 }

describe('the memory of a run', () => {
  it('is that of the GPU, with its peak', () => {
    const memory = memoryOf(curve)!
    expect([memory.kind, memory.peak, topOf(memory)]).toEqual(['vram', { at: 200, mb: 4000 }, 8000])
  })
  it('is that of the process where there is no GPU, and nothing where nobody measured', () => {
    expect(memoryOf({ ...curve, vram_mb: null })).toMatchObject({ kind: 'ram', peak: { at: 300, mb: 40 }, total: null })
    expect(memoryOf({ ...curve, vram_mb: [null, null], ram_mb: null })).toBeNull()
    expect(memoryOf({ offset_ms: [], vram_mb: [], torch_mb: null, ram_mb: [], vram_total_mb: null })).toBeNull()
    expect(memoryOf(null)).toBeNull()
  })
  it('is drawn with gaps where a reading is missing', () => {
    const memory = memoryOf(curve)!
    const { stroke, area } = line(memory, memory.mb, [0, 400], 400, 80)
    expect(stroke).toBe('M0 70M200 40L300 60')
    expect(area).toBe('M0 80L0 70L0 80ZM200 80L200 40L300 60L300 80Z')
  })
  it('can be read at any moment', () => {
    const memory = memoryOf(curve)!
    expect([-1, 0, 150, 250, 9999].map((at) => readingAt(memory, at))).toEqual([null, 1000, 1000, 4000, 2000])
  })
})

describe('who worked at a moment', () => {
  const node = (node_id: string, offset_ms: number, duration_ms: number | null, state = 'finished'): Execution => ({ node_id, offset_ms, duration_ms, state }) as Execution
  it('is the one inside, not the one that contains it; nobody in a gap', () => {
    const nodes = [node('outer', 0, 100), node('inner', 40, 20), node('last', 200, null, 'running')]
    expect([50, 90, 150, 210].map((at) => workingAt(nodes, at, 260)?.node_id)).toEqual(['inner', 'outer', undefined, 'last'])
  })
})
