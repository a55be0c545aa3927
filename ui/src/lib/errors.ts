/** Errors by cause, as the API answers them; what the reader asks for; how they stand in a list. */
import type { FacetValue, LogEvent } from './api'
import type { Range } from './range'
import { to } from './router.svelte'

export interface Advice {
  cause: string
  advice: string
}

export interface ErrorGroup {
  /** The `error_group` of its events. */
  group: string
  /** The known cause; null for the others. */
  family: string | null
  known: boolean
  title: string
  error_type: string | null
  message: string | null
  nodes: FacetValue[]
  services: string[]
  instances: string[]
  count: number
  runs: number
  users: number
  first_seen: string
  last_seen: string
  new: boolean
  back: boolean
  sparkline: number[]
  advice: Advice | null
  blame: { pack: string | null; frame: string | null } | null
}

export interface Family extends FacetValue {
  /** What people call it; null for those that are not known. */
  title: string | null
}

export interface ErrorListing {
  errors: ErrorGroup[]
  families: Family[]
  took_ms: number
}

export interface Occurrence {
  id: string
  timestamp: string
  workflow_id: string | null
  node: string | null
  node_id: string | null
  instance: string | null
  user_id: string | null
  message: string | null
}

export interface ErrorDetail extends ErrorGroup {
  example: LogEvent
  recent: Occurrence[]
  alerts: { id: string; status: 'firing' | 'resolved'; started_at: string; rule: string }[]
}

/** The family of what is not known, as the API counts and finds it. */
export const UNKNOWN = 'unknown'
const OURSELVES = 'safelight'

export type Order = 'count' | 'last'

/** What the reader asks for; the URL holds it. */
export interface ErrorFilter {
  q: string
  family: string
  service: string
}

export const filterOf = (search: URLSearchParams): ErrorFilter => ({
  q: search.get('q') ?? '',
  family: search.get('family') ?? '',
  service: search.get('service') ?? '',
})

export const orderOf = (search: URLSearchParams): Order => (search.get('order') === 'last' ? 'last' : 'count')

export const isFiltered = ({ q, family, service }: ErrorFilter): boolean => !!(q || family || service)

/** The server's order is by count; the latest first is only another look at the same groups. */
export const ordered = (errors: readonly ErrorGroup[], order: Order): readonly ErrorGroup[] =>
  order === 'count' ? errors : [...errors].sort((a, b) => b.last_seen.localeCompare(a.last_seen))

/** What the group is about, without the name of its cause: a node, a file, a package; empty for the machine. */
export const subjectOf = ({ group, family }: Pick<ErrorGroup, 'group' | 'family'>): string =>
  family && group.startsWith(`${family}:`) ? group.slice(family.length + 1) : ''

/** Whether it is Safelight's own failure and nothing that it watches. */
export const isOwn = ({ services }: Pick<ErrorGroup, 'services'>): boolean => services.length === 1 && services[0] === OURSELVES

/** Services with the number of their failures, as far as the groups tell. */
export function servicesOf(errors: readonly ErrorGroup[]): FacetValue[] {
  const counts = new Map<string, number>()
  for (const { services, count } of errors) for (const name of services) counts.set(name, (counts.get(name) ?? 0) + count)
  return [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count)
}

/** Heights of a sparkline's bars, 0 to 1. One failure stays visible beside a thousand. */
export function heights(counts: readonly number[], least = 0.12): number[] {
  const most = Math.max(1, ...counts)
  return counts.map((n) => (n ? Math.max(least, n / most) : 0))
}

export const errorPath = (group: string, range?: Range): string =>
  to(`/errors/${encodeURIComponent(group)}`, range ? { from: range.from, to: range.to === 'now' ? null : range.to } : {})
