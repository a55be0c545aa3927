/** How fast runs go: how long they take, against what is usual, and how long others must wait for them. */
import type { InstanceQueue, Run } from './runs'

/** How long the run took, or has taken until `now`; null where it never started. */
export function elapsed(run: Pick<Run, 'state' | 'started_at' | 'duration_ms'>, now: number): number | null {
  if (run.duration_ms !== null) return run.duration_ms
  if (run.state !== 'running' || !run.started_at) return null
  return Math.max(0, now - Date.parse(run.started_at))
}

/** The share of the nodes that are done, with the steps of the current one; null where nobody knows how many there are. */
export function progress({ nodes, current }: Pick<Run, 'nodes' | 'current'>): number | null {
  if (!nodes.total) return null
  const within = current?.max ? Math.min(1, (current.value ?? 0) / current.max) : 0
  return Math.min(1, (nodes.finished + nodes.cached + nodes.failed + within) / nodes.total)
}

/** How long it took against what is usual for its graph; null where either is not known. */
export function against(run: Pick<Run, 'duration_ms' | 'usual_ms'>): number | null {
  return run.duration_ms !== null && run.usual_ms ? run.duration_ms / run.usual_ms : null
}

/** Until it is done, going by what is usual; null where that is not known or has passed. */
export function remaining(run: Run, now: number): number | null {
  const spent = elapsed(run, now)
  return run.usual_ms && spent !== null && spent < run.usual_ms ? run.usual_ms - spent : null
}

/** For each waiting run, milliseconds until its turn; null from the first run on of which nobody knows how long it takes,
 *  and where nothing moves. */
export function waits({ state, running, pending }: Pick<InstanceQueue, 'state' | 'running' | 'pending'>, now: number): (number | null)[] {
  let wait: number | null = state === 'idle' || state === 'busy' ? 0 : null
  for (const run of running) {
    // One that takes longer than usual may end at any moment.
    const left: number | null = run.usual_ms ? (remaining(run, now) ?? 0) : null
    wait = wait === null || left === null ? null : wait + left
  }
  return pending.map((run) => {
    const mine = wait
    wait = wait === null || !run.usual_ms ? null : wait + run.usual_ms
    return mine
  })
}

/** The height of a bar, 0 to 1: half of it is what is usual for the graph, or for its neighbours where that is not known. */
export function height(run: Run, median: number | null, now: number): number {
  const spent = elapsed(run, now)
  const usual = run.usual_ms ?? median
  if (spent === null) return 0.25
  if (!usual) return 0.5
  return Math.min(1, Math.max(0.15, spent / usual / 2))
}

export function medianOf(values: readonly number[]): number | null {
  if (!values.length) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
