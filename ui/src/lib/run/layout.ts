/** Where the nodes of a graph stand that nobody arranged: in layers from top to bottom.
 *
 *  A layer holds a handful of nodes at most, so that a graph of any size is a column as wide as a panel, and reading it
 *  means to scroll in one direction. Of a large graph only the wires of the chosen node are drawn: its layers are packed
 *  and its wires run behind the nodes, because lanes for all of them would tear the column apart.
 */
import type { GraphEdge } from '../runs'

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export interface Wire {
  edge: GraphEdge
  /** As the `d` of an SVG path. */
  d: string
}

export interface Layout {
  boxes: Map<string, Box>
  wires: Wire[]
  width: number
  height: number
  /** Boxes narrower than this, in pixels, carry no words. */
  readable: number
}

export const MARGIN = 12
export const WIDTH = 148
export const HEIGHT = 42
export const GAP_X = 16
export const GAP_Y = 32
/** Its boxes have room for one line. */
const READABLE_PX = 74
const LANE = 8
/** Above this a graph is large. */
export const MANY = 80
export const mostAbreast = (nodes: number): number => (nodes > MANY ? 4 : 5)
/** A wire over more layers has no lane of its own: it runs behind the nodes. */
const LONGEST_LANE = 7
const EMPTY: Layout = { boxes: new Map(), wires: [], width: 1, height: 1, readable: READABLE_PX }

interface Links {
  before: Map<string, string[]>
  after: Map<string, string[]>
}

function links(ids: readonly string[], edges: readonly GraphEdge[]): Links {
  const before = new Map(ids.map((id) => [id, [] as string[]]))
  const after = new Map(ids.map((id) => [id, [] as string[]]))
  for (const { from, to } of edges) {
    if (from === to || !after.has(from) || !before.has(to)) continue
    after.get(from)!.push(to)
    before.get(to)!.push(from)
  }
  return { before, after }
}

/** Ids so that each comes after those it needs; in a circle, the first of the given order begins. */
function sorted(ids: readonly string[], { before, after }: Links): string[] {
  const missing = new Map(ids.map((id) => [id, before.get(id)!.length]))
  const order: string[] = []
  const taken = new Set<string>()
  const ready = ids.filter((id) => !missing.get(id))
  let next = 0
  while (order.length < ids.length) {
    const id = ready.shift() ?? ids[next++]!
    if (taken.has(id)) continue
    taken.add(id)
    order.push(id)
    for (const child of after.get(id)!) {
      const left = missing.get(child)! - 1
      missing.set(child, left)
      if (left === 0 && !taken.has(child)) ready.push(child)
    }
  }
  return order
}

/** The layer of each node: below all it needs, sources just above their first use, never more than so many abreast. */
function layersOf(ids: readonly string[], edges: readonly GraphEdge[]): Map<string, number> {
  const joined = links(ids, edges)
  const order = sorted(ids, joined)
  const place = new Map(order.map((id, i) => [id, i]))
  const needs = (id: string): string[] => joined.before.get(id)!.filter((other) => place.get(other)! < place.get(id)!)
  const rank = new Map<string, number>()
  for (const id of order) rank.set(id, Math.max(-1, ...needs(id).map((other) => rank.get(other)!)) + 1)
  for (const id of order.toReversed()) {
    const uses = joined.after.get(id)!
    if (!needs(id).length && uses.length) rank.set(id, Math.max(0, Math.min(...uses.map((use) => rank.get(use)!)) - 1))
  }
  const layer = new Map<string, number>()
  const abreast: number[] = []
  const most = mostAbreast(ids.length)
  for (const id of order.toSorted((a, b) => rank.get(a)! - rank.get(b)! || place.get(a)! - place.get(b)!)) {
    let at = Math.max(rank.get(id)!, ...needs(id).map((other) => (layer.get(other) ?? -1) + 1))
    while ((abreast[at] ?? 0) >= most) at++
    abreast[at] = (abreast[at] ?? 0) + 1
    layer.set(id, at)
  }
  const used = [...new Set(layer.values())].sort((a, b) => a - b)
  const packed = new Map(used.map((at, i) => [at, i]))
  return new Map([...layer].map(([id, at]) => [id, packed.get(at)!]))
}

/** A node, or a lane that a wire takes past a layer. */
interface Slot {
  width: number
  x: number
  up: Slot[]
  down: Slot[]
  node: boolean
}

const mean = (slots: readonly Slot[]): number => slots.reduce((sum, slot) => sum + slot.x, 0) / slots.length

function pack(row: readonly Slot[]): void {
  let x = 0
  for (const slot of row) {
    slot.x = x + slot.width / 2
    x += slot.width + GAP_X
  }
  const middle = (x - GAP_X) / 2
  for (const slot of row) slot.x -= middle
}

/** Fewer crossings: each row in the order of what it hangs on, going down and up in turns. */
function untangle(rows: Slot[][], rounds: number): void {
  rows.forEach(pack)
  for (let round = 0; round < rounds; round++) {
    const down = round % 2 === 0
    for (const row of down ? rows : rows.toReversed()) {
      const wish = new Map(
        row.map((slot) => {
          const [first, second] = down ? [slot.up, slot.down] : [slot.down, slot.up]
          return [slot, first.length ? mean(first) : second.length ? mean(second) : slot.x]
        }),
      )
      row.sort((a, b) => wish.get(a)! - wish.get(b)!)
      pack(row)
    }
  }
}

/** Straighter wires: each slot towards its neighbours, as the mean of the leftmost and rightmost arrangement that keeps
 *  order and gaps, which keeps them too. */
function straighten(rows: Slot[][], rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    for (const row of round % 2 ? rows.toReversed() : rows) {
      const wish = row.map((slot) => (slot.up.length + slot.down.length ? mean([...slot.up, ...slot.down]) : slot.x))
      const right: number[] = []
      let edge = -Infinity
      row.forEach((slot, i) => {
        right[i] = Math.max(wish[i]!, edge + slot.width / 2)
        edge = right[i]! + slot.width / 2 + GAP_X
      })
      edge = Infinity
      for (let i = row.length - 1; i >= 0; i--) {
        const slot = row[i]!
        const left = Math.min(wish[i]!, edge - slot.width / 2)
        edge = left - slot.width / 2 - GAP_X
        slot.x = (left + right[i]!) / 2
      }
    }
  }
}

/** Layers from top to bottom. A circle or a wire to nowhere does no harm. */
export function layered(ids: readonly string[], edges: readonly GraphEdge[]): Layout {
  if (!ids.length) return EMPTY
  const many = ids.length > MANY
  const layer = layersOf(ids, edges)
  const rows: Slot[][] = Array.from({ length: Math.max(...layer.values()) + 1 }, () => [])
  const put = (at: number, node: boolean): Slot => {
    const slot = { width: node ? WIDTH : LANE, x: 0, up: [], down: [], node }
    rows[at]!.push(slot)
    return slot
  }
  const slots = new Map(ids.map((id) => [id, put(layer.get(id)!, true)]))
  const join = (upper: Slot, lower: Slot): void => {
    if (upper.down.includes(lower)) return
    upper.down.push(lower)
    lower.up.push(upper)
  }
  // Wires from the same node share their lanes: those of a model or a VAE travel together.
  const lanes = new Map<string, Slot>()
  const chains = edges
    .filter(({ from, to }) => from !== to && slots.has(from) && slots.has(to))
    .map((edge) => {
      const [top, bottom] = [layer.get(edge.from)!, layer.get(edge.to)!]
      const chain = [slots.get(edge.from)!]
      if (!many && bottom - top <= LONGEST_LANE) {
        for (let at = top + 1; at < bottom; at++) {
          const key = `${edge.from} ${at}`
          if (!lanes.has(key)) lanes.set(key, put(at, false))
          chain.push(lanes.get(key)!)
        }
      }
      chain.push(slots.get(edge.to)!)
      if (bottom > top) for (let i = 1; i < chain.length; i++) join(chain[i - 1]!, chain[i]!)
      return { edge, chain }
    })
  untangle(rows, ids.length > 600 ? 6 : 24)
  if (!many) straighten(rows, 14)
  return drawn(rows, slots, chains)
}

function drawn(rows: Slot[][], slots: Map<string, Slot>, chains: readonly { edge: GraphEdge; chain: Slot[] }[]): Layout {
  let [left, right] = [Infinity, -Infinity]
  const y = new Map<Slot, number>()
  rows.forEach((row, i) => {
    for (const slot of row) {
      left = Math.min(left, slot.x - slot.width / 2)
      right = Math.max(right, slot.x + slot.width / 2)
      y.set(slot, MARGIN + i * (HEIGHT + GAP_Y))
    }
  })
  const x = (slot: Slot): number => Math.round(slot.x - left + MARGIN)
  const boxes = new Map([...slots].map(([id, slot]) => [id, { x: x(slot) - WIDTH / 2, y: y.get(slot)!, width: WIDTH, height: HEIGHT }]))
  const wires = chains.map(({ edge, chain }) => {
    let d = `M${x(chain[0]!)} ${y.get(chain[0]!)! + HEIGHT}`
    for (let i = 1; i < chain.length; i++) {
      const [upper, lower] = [chain[i - 1]!, chain[i]!]
      const [from, to] = [y.get(upper)! + HEIGHT, y.get(lower)!]
      const bend = to > from ? (from + to) / 2 : from + GAP_Y
      const back = to > from ? bend : to - GAP_Y
      d += `C${x(upper)} ${bend} ${x(lower)} ${back} ${x(lower)} ${to}`
      if (!lower.node) d += `V${to + HEIGHT}`
    }
    return { edge, d }
  })
  return { boxes, wires, width: right - left + 2 * MARGIN, height: rows.length * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN, readable: READABLE_PX }
}

/** What `id` needs, directly or not, with itself. */
export const ancestors = (id: string, edges: readonly GraphEdge[]): Set<string> => reached(id, edges, 'to', 'from')
/** What needs `id`, directly or not, with itself. */
export const descendants = (id: string, edges: readonly GraphEdge[]): Set<string> => reached(id, edges, 'from', 'to')

function reached(id: string, edges: readonly GraphEdge[], here: 'from' | 'to', there: 'from' | 'to'): Set<string> {
  const next = new Map<string, string[]>()
  for (const edge of edges) {
    const known = next.get(edge[here])
    if (known) known.push(edge[there])
    else next.set(edge[here], [edge[there]])
  }
  const found = new Set([id])
  for (const each of found) for (const other of next.get(each) ?? []) found.add(other)
  return found
}
