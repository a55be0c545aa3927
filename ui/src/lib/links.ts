/** Addresses inside the page that more than one place leads to. */
import type { LogEvent } from './api'
import { quote } from './filters'
import { fixed, type Range } from './range'
import { to } from './router.svelte'

/** A run rarely lasts longer, and the store reads no more than it is asked for. */
const AROUND_RUN_MS = 12 * 3_600_000
const AROUND_EVENT_MS = 60_000

const around = (event: LogEvent, ms: number): Range => {
  const at = Date.parse(event.timestamp)
  return fixed(new Date(at - ms), new Date(at + ms))
}

export const logs = (q: string, range: Range, more: Record<string, string> = {}): string =>
  to('/logs', { q, from: range.from, to: range.to, ...more })

/** The whole run of an event; without a run, the event among its neighbours. */
export function runLink(event: LogEvent): string {
  if (!event.workflow_id) return logs('', around(event, AROUND_EVENT_MS), { event: event.id })
  return logs(`workflow_id:${quote(event.workflow_id)}`, around(event, AROUND_RUN_MS))
}

/** One line for ever: the search it was found with, and the line itself. */
export const permalink = (event: LogEvent, q: string, range: Range): string =>
  new URL(logs(q, range, { event: event.id }), location.origin).href
