import { describe, expect, it } from 'vitest'
import type { GraphNode } from '../runs'
import { overlaps } from './layout.fixture'
import { placed } from './placed'

const node = (id: string, x: number | null = null, y: number | null = null, width = 200, height = 100): GraphNode => ({ id, node: 'N', title: null, x, y, width, height })
const wire = (from: string, to: string) => ({ from, to, type: null })

describe('the places of the author', () => {
  it('keep what is left of, above and beside what', () => {
    const { boxes } = placed([node('a', -500, 40), node('b', 300, -600), node('c', 300, 40)], [wire('a', 'b')])
    const [a, b, c] = [boxes.get('a')!, boxes.get('b')!, boxes.get('c')!]
    expect([a.x < b.x, b.x === c.x, b.y < c.y, a.y === c.y]).toEqual([true, true, true, true])
  })
  it('lose the stretches without any box, not those between boxes that stand close', () => {
    const { boxes, width } = placed([node('a', 0, 0, 100), node('b', 5000, 0, 100), node('c', 5110, 0, 100)], [])
    expect(boxes.get('b')!.x - boxes.get('a')!.x).toBe(116)
    expect(boxes.get('c')!.x - boxes.get('b')!.x).toBe(110)
    expect(width).toBeLessThan(400)
  })
  it('grow taller where the panel has the room, up to a limit', () => {
    const row = [node('a', 0, 0), node('b', 300, 0), node('c', 600, 0)]
    const [flat, tall] = [placed(row, []), placed(row, [], 0.4)]
    expect(tall.width).toBe(flat.width)
    expect(tall.height / tall.width).toBeCloseTo(0.4, 1)
    expect(placed(row, [], 9).height).toBeLessThan(3 * flat.height)
  })
  it('never put boxes that stood apart on each other', () => {
    const nodes = Array.from({ length: 138 }, (_, i) => node(String(i), (i % 12) * 420 + (i % 5) * 17, Math.floor(i / 12) * 260 + (i % 7) * 9, 160 + (i % 4) * 70, 60 + (i % 6) * 30))
    for (const tall of [0, 0.6, 1.2]) expect(overlaps(placed(nodes, [], tall))).toEqual([])
  })
  it('leave room below for nodes without one', () => {
    const layout = placed([node('a', 0, 0), node('b'), node('c')], [])
    expect(layout.boxes.get('b')!.y).toBeGreaterThan(layout.boxes.get('a')!.y + 100)
    expect(overlaps(layout)).toEqual([])
    expect(placed([node('a'), node('b')], [wire('a', 'b')]).boxes.size).toBe(2)
  })
})
