/** The HTTP API under /api/v1, as the page uses it. */
import { prefs } from './prefs.svelte'

export type Level = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL'
/** As they stack in a chart, from the ground up: what is wrong stays visible. */
export const LEVELS: readonly Level[] = ['CRITICAL', 'ERROR', 'WARNING', 'INFO', 'DEBUG']

/** One event: known fields on top, fields without a value left out, everything else in `attributes`. */
export interface LogEvent {
  id: string
  timestamp: string
  level?: string
  event?: string
  message?: string
  service?: string
  instance?: string
  host?: string
  source?: string
  workflow_id?: string
  user_id?: string
  node?: string
  node_id?: string
  duration_ms?: number
  error_type?: string
  error_message?: string
  traceback?: string
  parse_error?: string
  raw?: string
  attributes?: Record<string, unknown>
  [field: string]: unknown
}

export interface EventPage {
  events: LogEvent[]
  cursor: string | null
  took_ms: number
}
export interface Statistics {
  columns: string[]
  rows: Record<string, unknown>[]
  took_ms: number
}
export interface Bucket {
  at: string
  counts: Record<string, number>
}
export interface HistogramData {
  from: string
  to: string
  step_ms: number
  buckets: Bucket[]
  total: number
  took_ms: number
}
export interface FacetValue {
  value: string
  count: number
}
export interface Facet {
  field: string
  values: FacetValue[]
  missing: number
}
export interface Context {
  before: LogEvent[]
  event: LogEvent
  after: LogEvent[]
}
export interface Instance {
  instance: string | null
  service: string | null
  events: number
  errors: number
  last_event_at: string | null
}
export interface OverviewData {
  events: number
  errors: number
  warnings: number
  runs: { finished: number; failed: number; interrupted: number }
  failure_ratio: number | null
  images: number
  instances: Instance[]
  took_ms: number
}
export interface NodeFigures {
  node: string
  count: number
  avg_ms: number
  p95_ms: number
  share: number
}
export interface SourceState {
  type: string
  name: string
  state: 'waiting' | 'reading' | 'failed'
  detail: string | null
  events: number
  last_event_at: string | null
}
export interface ChannelState {
  name: string
  type: string
  last_success_at: string | null
  last_failure_at: string | null
  last_answer: string | null
}
export interface Status {
  version: string
  demo: boolean
  language: string
  started_at: string
  store: { events: number; bytes: number; segments: number; oldest: string | null; newest: string | null }
  sources: SourceState[]
  channels: ChannelState[]
  rules: { id: string; when: string; severity: number }[]
  problems: string[]
}

/** What the server refused, as RFC 9457 problem JSON. A query error also says where. */
export class Problem extends Error {
  override name = 'Problem'

  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly position: number | null = null,
    readonly caret: string | null = null,
    /** Of a rule: the field that is wrong. */
    readonly field: string | null = null,
  ) {
    super(detail || title)
  }

  static from(body: unknown, status: number): Problem {
    const said = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
    const text = (key: string): string => (typeof said[key] === 'string' ? said[key] : '')
    return new Problem(
      typeof said.status === 'number' ? said.status : status,
      text('title') || `HTTP ${status}`,
      text('detail'),
      typeof said.position === 'number' ? said.position : null,
      text('caret') || null,
      text('field') || null,
    )
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  override name = 'Unreachable'
}

export type Query = Record<string, string | number | null | undefined>

export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return `/api/v1${path}${text ? `?${text}` : ''}`
}

/** Raises Problem for what the server refused, Unreachable when there is none, AbortError when told to stop. */
export function get<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  return ask<T>(address(path, query), { signal, headers: inOurLanguage('application/json') })
}

/** Has the server do something; raises as `get` does. */
export const post = <T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> => change<T>('POST', path, body, signal)
export const put = <T>(path: string, body: unknown): Promise<T> => change<T>('PUT', path, body)
export const remove = <T>(path: string): Promise<T> => change<T>('DELETE', path)

function change<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers = { ...inOurLanguage('application/json'), 'Content-Type': 'application/json' }
  return ask<T>(address(path), { method, signal, headers, body: body === undefined ? undefined : JSON.stringify(body) })
}

async function ask<T>(url: string, how: RequestInit): Promise<T> {
  let answer: Response
  try {
    answer = await fetch(url, how)
  } catch (reason) {
    if ((reason as Error).name === 'AbortError') throw reason
    throw new Unreachable(String(reason))
  }
  const body: unknown = await answer.json().catch((reason: Error) => {
    if (reason.name === 'AbortError') throw reason
    return null
  })
  if (!answer.ok || body === null) throw Problem.from(body, answer.status)
  return body as T
}

/** What the server says in words, it says in the language of the page. */
export const inOurLanguage = (accept: string): Record<string, string> => ({ Accept: accept, 'Accept-Language': prefs.language })

export const isAbort = (reason: unknown): boolean => reason instanceof Error && reason.name === 'AbortError'

export const isStatistics = (answer: EventPage | Statistics): answer is Statistics => 'columns' in answer
