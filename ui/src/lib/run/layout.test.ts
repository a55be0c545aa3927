import { describe, expect, it } from 'vitest'
import type { GraphEdge } from '../runs'
import { ancestors, descendants, layered, mostAbreast } from './layout'
import { overlaps } from './layout.fixture'

const wires = (...pairs: [string, string][]): GraphEdge[] => pairs.map(([from, to]) => ({ from, to, type: null }))
/** A tangle that is the same every time. */
function tangle(n: number): [string[], GraphEdge[]] {
  let seed = 7
  const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647
  const ids = Array.from({ length: n }, (_, i) => String(i))
  return [ids, ids.slice(1).flatMap((id, i) => wires([String(Math.floor(random() * (i + 1))), id], [String(Math.floor(random() * (i + 1))), id]))]
}

describe('layers', () => {
  it('put each node below all it needs', () => {
    const edges = wires(['a', 'b'], ['b', 'c'], ['a', 'c'], ['x', 'c'])
    const { boxes, wires: drawn } = layered(['a', 'b', 'c', 'x'], edges)
    for (const { from, to } of edges) expect(boxes.get(from)!.y).toBeLessThan(boxes.get(to)!.y)
    expect(boxes.get('x')!.y).toBe(boxes.get('b')!.y)
    expect(drawn).toHaveLength(4)
  })
  it.each([[40], [138], [500]])('never put two of %i nodes in one place, nor more abreast than fit', (n) => {
    const layout = layered(...tangle(n))
    expect(overlaps(layout)).toEqual([])
    const rows = new Map<number, number>()
    for (const { y } of layout.boxes.values()) rows.set(y, (rows.get(y) ?? 0) + 1)
    expect(Math.max(...rows.values())).toBeLessThanOrEqual(mostAbreast(n))
    for (const box of layout.boxes.values()) {
      expect(box.x).toBeGreaterThanOrEqual(0)
      expect(box.x + box.width).toBeLessThanOrEqual(layout.width)
      expect(box.y + box.height).toBeLessThanOrEqual(layout.height)
    }
  })
  it('survive circles, wires to nowhere and to oneself', () => {
    const layout = layered(['a', 'b', 'c'], wires(['a', 'b'], ['b', 'c'], ['c', 'a'], ['a', 'a'], ['gone', 'b']))
    expect(layout.boxes.size).toBe(3)
    expect(overlaps(layout)).toEqual([])
    expect(layout.wires.every(({ d }) => !d.includes('NaN'))).toBe(true)
    expect(layered([], []).boxes.size).toBe(0)
  })
})

describe('kinship', () => {
  it('is followed both ways, through circles too', () => {
    const edges = wires(['a', 'b'], ['b', 'c'], ['x', 'c'], ['c', 'b'])
    expect([...ancestors('b', edges)].sort()).toEqual(['a', 'b', 'c', 'x'])
    expect([...descendants('x', edges)].sort()).toEqual(['b', 'c', 'x'])
    expect([...ancestors('alone', edges)]).toEqual(['alone'])
  })
})
