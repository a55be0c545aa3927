/** Addresses inside the page that more than one place leads to. */
import type { LogEvent } from './api'
import { fixed, type Range } from './range'
import { to } from './router.svelte'
import { runPath } from './runs'

const AROUND_EVENT_MS = 60_000

const around = (event: LogEvent, ms: number): Range => {
  const at = Date.parse(event.timestamp)
  return fixed(new Date(at - ms), new Date(at + ms))
}

export const logs = (q: string, range: Range, more: Record<string, string> = {}): string =>
  to('/logs', { q, from: range.from, to: range.to, ...more })

/** The run of an event, at its node if it names one; without a run, the event among its neighbours. */
export function runLink(event: LogEvent): string {
  if (!event.workflow_id) return logs('', around(event, AROUND_EVENT_MS), { event: event.id })
  return to(runPath(event.workflow_id), { node: event.node_id })
}

/** One line for ever: the search it was found with, and the line itself. */
export const permalink = (event: LogEvent, q: string, range: Range): string =>
  new URL(logs(q, range, { event: event.id }), location.origin).href
