import { describe, expect, it } from 'vitest'
import { first, fit, inside, isCropped, isVisible, revealing, zoomed } from './camera'
import type { Layout } from './layout'

const size = { width: 600, height: 400 }
const box = { x: 400, y: 3000, width: 150, height: 40 }
const layout = (width: number, height: number): Layout => ({ boxes: new Map([['a', box]]), wires: [], width, height, readable: 74 })

describe('the camera', () => {
  it('shows all of a small graph in the middle, never larger than life', () => {
    expect(fit(layout(300, 100), size)).toEqual({ k: 1.15, x: (600 - 345) / 2, y: (400 - 115) / 2 })
    expect(isCropped(layout(6000, 100), fit(layout(6000, 100), size), size)).toBe(false)
  })
  it('opens a large graph on a node, as a column when its width can be read', () => {
    const column = first(layout(800, 6000), size, box, false)
    expect(column.k).toBe(0.75)
    expect(column.x).toBe(0)
    expect(isVisible(box, column, size, 0)).toBe(true)
    const wide = first(layout(9000, 6000), size, box, false)
    expect(wide.k).toBeCloseTo(132 / 150)
    expect(isVisible(box, wide, size, 0)).toBe(true)
  })
  it('zooms around the pointer', () => {
    const near = zoomed({ k: 1, x: 10, y: 20 }, 2, 110, 220)
    expect([(110 - near.x) / near.k, (220 - near.y) / near.k]).toEqual([100, 200])
    expect(zoomed(near, 99, 0, 0).k).toBeLessThan(3)
  })
  it('stays on the graph, and moves no more than needed', () => {
    expect(inside({ k: 1, x: 500, y: -9999 }, layout(800, 6000), size)).toEqual({ k: 1, x: 0, y: -5600 })
    const camera = { k: 1, x: -300, y: -2900 }
    expect(revealing(camera, box, size)).toEqual(camera)
    expect(isVisible(box, revealing({ k: 1, x: 0, y: 0 }, box, size), size, 0)).toBe(true)
  })
})
