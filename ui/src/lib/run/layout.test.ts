import { describe, expect, it } from 'vitest'
import type { GraphEdge, GraphNode } from '../runs'
import { ancestors, descendants, layered, mostAbreast, placed, type Layout } from './layout'

const wires = (...pairs: [string, string][]): GraphEdge[] => pairs.map(([from, to]) => ({ from, to, type: null }))
const node = (id: string, x: number | null = null, y: number | null = null): GraphNode => ({ id, node: 'N', title: null, x, y, width: 200, height: 100 })

function overlaps({ boxes }: Layout): string[] {
  const all = [...boxes]
  return all.flatMap(([a, p], i) =>
    all.slice(i + 1).flatMap(([b, q]) => (p.x < q.x + q.width && q.x < p.x + p.width && p.y < q.y + q.height && q.y < p.y + p.height ? [`${a} on ${b}`] : [])),
  )
}

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

describe('the places of the author', () => {
  it('are kept, from the upper left corner on', () => {
    const { boxes, width, height } = placed([node('a', -500, 40), node('b', 100, -60)], wires(['a', 'b']))
    expect(boxes.get('b')!.x - boxes.get('a')!.x).toBe(600)
    expect(boxes.get('a')!.y - boxes.get('b')!.y).toBe(100)
    expect([width, height]).toEqual([824, 254])
  })
  it('leave room below for nodes without one', () => {
    const layout = placed([node('a', 0, 0), node('b'), node('c')], [])
    expect(layout.boxes.get('b')!.y).toBeGreaterThan(layout.boxes.get('a')!.y + 100)
    expect(overlaps(layout)).toEqual([])
    expect(placed([node('a'), node('b')], wires(['a', 'b'])).boxes.size).toBe(2)
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
