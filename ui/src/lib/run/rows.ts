/** The rows of the timeline: executions in order, those of an expanded sub-graph below the node that expanded. */
import type { Execution } from '../runs'

export interface Row {
  key: string
  execution: Execution
  /** 0 for a node of the workflow itself, 1 for one that a node added, and so on. */
  depth: number
  /** How many rows it would open or shut, those of its children's children too. */
  inside: number
  open: boolean
}

export interface Choice {
  /** Part of a title, class or id. */
  text: string
  slowest: boolean
  cached: boolean
}

export const EVERYTHING: Choice = { text: '', slowest: false, cached: true }

/** Sub-graphs that small are shown at once. */
const SHOWN_AT_ONCE = 12

export const nameOf = (execution: Pick<Execution, 'title' | 'node' | 'node_id'>): string => execution.title || execution.node || `#${execution.node_id}`

export function matches(execution: Execution, text: string): boolean {
  const wanted = text.trim().toLowerCase()
  if (!wanted) return true
  return [execution.title, execution.node, execution.node_id, `#${execution.node_id}`].some((said) => said?.toLowerCase().includes(wanted))
}

/** The rows of `executions`. `turned` holds the parents that the reader opened or shut against what is the default. */
export function rowsOf(executions: readonly Execution[], choice: Choice, turned: ReadonlySet<string>): Row[] {
  const chosen = executions.filter((each) => (choice.cached || each.state !== 'cached') && matches(each, choice.text))
  const keyed = chosen.map((execution, i) => ({ execution, key: `${execution.node_id} ${execution.offset_ms ?? i}` }))
  const flat = ({ execution, key }: (typeof keyed)[number]): Row => ({ key, execution, depth: 0, inside: 0, open: false })
  if (choice.slowest) return unique(keyed.map(flat).sort((a, b) => (b.execution.duration_ms ?? 0) - (a.execution.duration_ms ?? 0)))
  if (choice.text.trim()) return unique(keyed.map(flat))
  const known = new Set(chosen.map((each) => each.node_id))
  const below = new Map<string, typeof keyed>()
  const top: typeof keyed = []
  for (const each of keyed) {
    const parent = each.execution.parent_id
    if (!parent || parent === each.execution.node_id || !known.has(parent)) top.push(each)
    else below.set(parent, [...(below.get(parent) ?? []), each])
  }
  const seen = new Set<string>()
  const rows: Row[] = []
  const sizes = new Map<string, number>()
  const size = (id: string, deep = 0): number => {
    if (deep > 50) return 0 // parents in a circle
    let found = sizes.get(id)
    if (found === undefined) {
      found = (below.get(id) ?? []).reduce((sum, child) => sum + 1 + size(child.execution.node_id, deep + 1), 0)
      sizes.set(id, found)
    }
    return found
  }
  const add = (each: (typeof keyed)[number], depth: number): void => {
    const id = each.execution.node_id
    const inside = seen.has(id) ? 0 : size(id)
    const open = inside > 0 && inside <= SHOWN_AT_ONCE !== turned.has(id)
    rows.push({ ...each, depth, inside, open })
    if (seen.has(id)) return
    seen.add(id)
    if (open && depth < 50) for (const child of below.get(id) ?? []) add(child, depth + 1)
  }
  for (const each of top) add(each, 0)
  return unique(rows)
}

/** A node may run more than once in the same millisecond: its rows still need names of their own. */
function unique(rows: Row[]): Row[] {
  const seen = new Map<string, number>()
  for (const row of rows) {
    const times = seen.get(row.key) ?? 0
    seen.set(row.key, times + 1)
    if (times) row.key += ` ${times}`
  }
  return rows
}

/** The parents that must be open for `id` to be seen, outermost last. */
export function parentsOf(id: string, executions: readonly Execution[]): string[] {
  const parents = new Map(executions.map((each) => [each.node_id, each.parent_id]))
  const found: string[] = []
  for (let at = parents.get(id); at && parents.has(at) && !found.includes(at); at = parents.get(at)) found.push(at)
  return found
}
