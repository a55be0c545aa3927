/** Where the author of a workflow put its nodes, drawn closer together so that their titles can be read.
 *
 *  What was left of, above or beside something stays so. Boxes lose the room of their controls, stretches without any box
 *  are shortened, and the picture is pulled towards the shape of its panel, which gives the boxes room for words.
 */
import type { GraphEdge, GraphNode } from '../runs'
import { GAP_X, GAP_Y, HEIGHT, layered, MARGIN, WIDTH, type Box, type Layout } from './layout'

/** The author's sizes leave out the title, which stands above a node (LiteGraph draws it 30 units high). */
const TITLE = 30
const LEAST_WIDTH = 60
const MOST_WIDTH = 190
const MOST_HEIGHT = 110
/** What remains of a stretch without any box. */
const GAP = 16
const MOST_TALLER = 2.4
const MOST_WIDER = 1.7
/** Names take as many lines as fit. */
const READABLE_PX = 56

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))

/** Moves what stands at a place to where it stands once the gaps between `ranges` are no longer than `GAP`. */
function closer(ranges: readonly (readonly [from: number, to: number])[]): (at: number) => number {
  const starts: number[] = []
  const removed: number[] = []
  let end = -Infinity
  let sum = 0
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (from > end) {
      if (end > -Infinity) sum += Math.max(0, from - end - GAP)
      else sum = from
      starts.push(from)
      removed.push(sum)
    }
    end = Math.max(end, to)
  }
  return (at) => at - (removed[starts.findLastIndex((from) => from <= at)] ?? 0)
}

/** `tall` is the height of the panel as a share of its width. What has no place stands in rows below; wires run from left to right. */
export function placed(nodes: readonly GraphNode[], edges: readonly GraphEdge[], tall = 0): Layout {
  const known = nodes.flatMap(({ id, x, y, width, height }) =>
    x === null || y === null ? [] : [{ id, x, y, width: clamp(width ?? WIDTH, LEAST_WIDTH, MOST_WIDTH), height: clamp(TITLE + (height ?? 0), HEIGHT, MOST_HEIGHT) }],
  )
  if (!known.length) return layered(nodes.map((node) => node.id), edges)
  const [across, down] = [closer(known.map((box) => [box.x, box.x + box.width])), closer(known.map((box) => [box.y, box.y + box.height]))]
  let [right, bottom] = [0, 0]
  const boxes = new Map<string, Box>()
  for (const { id, x, y, width, height } of known) {
    const box = { x: across(x) + MARGIN, y: down(y) + MARGIN, width, height }
    boxes.set(id, box)
    right = Math.max(right, box.x + width)
    bottom = Math.max(bottom, box.y + height)
  }
  const wish = tall ? (tall * (right + MARGIN)) / (bottom + MARGIN) : 1
  const [wider, taller] = [clamp(1 / wish, 1, MOST_WIDER), clamp(wish, 1, MOST_TALLER)]
  for (const box of boxes.values()) {
    box.x *= wider
    box.width *= wider
    box.y *= taller
    box.height *= taller
  }
  right *= wider
  let total = bottom * taller + MARGIN
  const homeless = nodes.filter((node) => !boxes.has(node.id))
  const abreast = Math.max(1, Math.floor((right - MARGIN + GAP_X) / (WIDTH + GAP_X)))
  homeless.forEach((node, i) => {
    const y = total + Math.floor(i / abreast) * (HEIGHT + GAP_Y)
    boxes.set(node.id, { x: MARGIN + (i % abreast) * (WIDTH + GAP_X), y, width: WIDTH, height: HEIGHT })
  })
  if (homeless.length) total += Math.ceil(homeless.length / abreast) * (HEIGHT + GAP_Y)
  const wires = edges.flatMap((edge) => {
    const [from, to] = [boxes.get(edge.from), boxes.get(edge.to)]
    if (!from || !to || from === to) return []
    const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2]
    const reach = clamp(Math.abs(x2 - x1) / 2, 18, 160)
    return { edge, d: `M${x1} ${y1}C${x1 + reach} ${y1} ${x2 - reach} ${y2} ${x2} ${y2}` }
  })
  return { boxes, wires, width: Math.max(right, WIDTH + MARGIN) + MARGIN, height: total, readable: READABLE_PX }
}
