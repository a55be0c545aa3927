/** Alerts, silences, rules and channels as the API tells of them, and what the page makes of that. */
import type { LogEvent } from './api'
import type { Advice } from './errors'
import type { Key } from './i18n'
import type { Look } from './looks'
import { runPath } from './runs'

export type AlertStatus = 'pending' | 'firing' | 'resolved'
export const ALERT_STATUSES: readonly AlertStatus[] = ['firing', 'pending', 'resolved']
export type MutedBy = 'silence' | 'inhibited' | 'quiet_hours' | 'flapping' | 'shadow' | 'acknowledged'

export interface Notification {
  channel: string
  status: 'waiting' | 'sent' | 'failed'
  at: string | null
  answer: string | null
}
export const NOTIFICATION_ICONS = { sent: 'check', waiting: 'clock', failed: 'close' } as const
export interface Alert {
  id: string
  rule: string
  severity: number
  status: AlertStatus
  title: string
  text: string
  why: string
  labels: Record<string, string>
  count: number
  value: number | null
  started_at: string
  last_at: string | null
  ended_at: string | null
  run: string | null
  error_group: string | null
  acknowledged: { at: string; by: string } | null
  escalated: boolean
  flapping: boolean
  muted: { by: MutedBy; ref: string | null; until: string | null } | null
  advice: Advice | null
  notifications: Notification[]
}
export interface Attempt {
  started_at: string
  finished_at: string | null
  outcome: string | null
  answer: string | null
}
export interface Delivered extends Notification {
  title?: string
  may_repeat?: boolean
  attempts?: Attempt[]
}
export interface Transition {
  number: number
  status: string
  at: string
  muted: string | null
  ref: string | null
  severity: number
  kind: string
}
export type RepairStatus = 'waiting' | 'running' | 'done' | 'failed' | 'skipped' | 'dry_run' | 'undone'
export interface Repair {
  id: string
  alert: string
  rule: string
  remedy: string
  instance: string | null
  status: RepairStatus
  dry_run: boolean
  said: string
  created_at: string
  started_at: string | null
  finished_at: string | null
}
/** Readings around the failure; times in ms since 1970. */
export interface Chart {
  title: string
  unit: string
  at: number[]
  series: { name: string; values: (number | null)[] }[]
  mark: number | null
  limit: number | null
}
export interface AlertDetail extends Alert {
  transitions: Transition[]
  notifications: Delivered[]
  repairs: Repair[]
  events: LogEvent[]
  lines: LogEvent[]
  chart: Chart | null
  links: Record<string, string>
}
export interface AlertListing {
  alerts: Alert[]
  counts: { pending: number; firing: number; acknowledged: number; muted: number }
  cursor: string | null
}

export interface Silence {
  id: string
  match: Record<string, string>
  starts_at: string
  until: string
  by: string | null
  comment: string | null
  state: 'active' | 'waiting' | 'over'
  muting: number
}

/** For how long the page offers to be quiet. */
export const SILENCE_LENGTHS = ['1h', '4h', '1d', '7d'] as const

export type RuleState = 'ok' | 'pending' | 'firing' | 'no_data' | 'error' | 'off'
/** What stands in the file for a rule. */
export interface RuleFields {
  id: string
  when: string
  clear?: string | null
  for?: string | null
  severity?: number
  repeat?: string
  resolve_after?: string
  enabled?: boolean
  shadow?: boolean
  title?: string | null
  text?: string | null
  advice?: string | null
  channels?: string[] | null
  inhibit?: string[]
  escalate?: { after: string; severity: number } | null
  then?: unknown[]
}
export interface Rule extends RuleFields {
  origin: 'default' | 'file' | 'page'
  place: string | null
  editable: boolean
  state: RuleState
  error: string | null
  firing: number
  last_fired_at: string | null
  cost: { judged: number; mean_ms: number; total_ms: number; slowed: boolean } | null
  window: boolean
}
export interface RuleListing {
  rules: Rule[]
  left_out: string[]
}
/** What the server makes of a rule that can be judged. */
export interface Checked {
  when: string
  warnings: string[]
}
export interface Firing {
  labels: Record<string, string>
  started_at: string
  ended_at: string | null
  count: number
  severity: number
  value: number | null
  title: string
  events: LogEvent[]
}
export interface BackTest {
  firings: Firing[]
  total: number
  messages: number
  histogram: { at: string; firings: number; messages: number }[]
  matched: number | null
  chart: { at: string[]; value: (number | null)[]; threshold: number; unit: string } | null
  from: string
  to: string
  took_ms: number
}

export type ChannelCondition = 'ok' | 'waiting' | 'broken' | 'unused'
export interface Channel {
  name: string
  type: string
  severity: number
  language: string
  digest: boolean
  state: ChannelCondition
  last_success_at: string | null
  last_failure_at: string | null
  last_answer: string | null
  waiting: number
  sent_24h: number
  failed_24h: number
  broken_at: string | null
  verified: boolean
}

export const ALERT_LOOKS: Record<AlertStatus, Look> = {
  firing: { icon: 'alert', tone: 'err', word: 'ui.alerts.firing' },
  pending: { icon: 'clock', tone: 'warn', word: 'ui.alerts.pending' },
  resolved: { icon: 'check', tone: 'ok', word: 'ui.alerts.resolved' },
}
export const RULE_LOOKS: Record<RuleState, Look> = {
  ok: { icon: 'check', tone: 'ok', word: 'ui.alerts.rule.ok' },
  pending: { icon: 'clock', tone: 'warn', word: 'ui.alerts.pending' },
  firing: { icon: 'alert', tone: 'err', word: 'ui.alerts.firing' },
  no_data: { icon: 'minus', tone: 'plain', word: 'ui.alerts.rule.no_data' },
  error: { icon: 'close', tone: 'err', word: 'ui.alerts.rule.error' },
  off: { icon: 'pause', tone: 'plain', word: 'ui.alerts.rule.off' },
}
export const CHANNEL_LOOKS: Record<ChannelCondition, Look> = {
  ok: { icon: 'check', tone: 'ok', word: 'ui.alerts.channel.ok' },
  waiting: { icon: 'clock', tone: 'warn', word: 'ui.alerts.waiting' },
  broken: { icon: 'close', tone: 'err', word: 'ui.alerts.channel.broken' },
  unused: { icon: 'minus', tone: 'plain', word: 'ui.alerts.channel.unused' },
}
export const REPAIR_LOOKS: Record<RepairStatus, Look> = {
  waiting: { icon: 'clock', tone: 'plain', word: 'ui.alerts.waiting' },
  running: { icon: 'play', tone: 'run', word: 'ui.state.running' },
  done: { icon: 'check', tone: 'ok', word: 'ui.alerts.repair.done' },
  failed: { icon: 'close', tone: 'err', word: 'ui.alerts.failed' },
  skipped: { icon: 'minus', tone: 'plain', word: 'ui.alerts.repair.skipped' },
  dry_run: { icon: 'eye', tone: 'plain', word: 'ui.alerts.repair.dry_run' },
  undone: { icon: 'again', tone: 'plain', word: 'ui.alerts.repair.undone' },
}

export const alertPath = (id: string): string => `/alerts/${encodeURIComponent(id)}`
/** In the order in which people narrow down where it is. */
const PLACES = ['service', 'instance', 'host', 'node'] as const

/** `comfyui · gpu-1 · VAEDecode`: where it is, then every other label that is no error group. */
export function whereOf(labels: Readonly<Record<string, string>>): string[] {
  const others = Object.keys(labels).filter((name) => name !== 'error_group' && !(PLACES as readonly string[]).includes(name))
  return [...PLACES, ...others].flatMap((name) => labels[name] ?? [])
}

/** Whether a rule has all the words somewhere that are searched for. */
export function fits(rule: Rule, q: string): boolean {
  const said = [rule.id, rule.title, rule.when, rule.state].join('\n').toLowerCase()
  return q.toLowerCase().split(/\s+/).every((word) => said.includes(word))
}

export const runOf = (alert: Alert): string | null => (alert.run ? runPath(alert.run) : null)

/** What the form holds: every field as text, as it stands in the file. */
export interface Draft {
  id: string
  when: string
  clear: string
  for: string
  severity: number
  repeat: string
  resolve_after: string
  title: string
  advice: string
  channels: string[]
  enabled: boolean
  shadow: boolean
  /** What the form does not show, kept as it is. */
  rest: Pick<RuleFields, 'text' | 'inhibit' | 'escalate' | 'then'>
}

export const EMPTY: Draft = {
  id: '',
  when: 'any level:ERROR',
  clear: '',
  for: '',
  severity: 2,
  repeat: '5m',
  resolve_after: '10m',
  title: '',
  advice: '',
  channels: [],
  enabled: true,
  shadow: false,
  rest: {},
}

export function draftOf(rule: RuleFields): Draft {
  const { text, inhibit, escalate, then } = rule
  return {
    id: rule.id,
    when: rule.when,
    clear: rule.clear ?? '',
    for: rule.for ?? '',
    severity: rule.severity ?? 2,
    repeat: rule.repeat ?? '5m',
    resolve_after: rule.resolve_after ?? '10m',
    title: rule.title ?? '',
    advice: rule.advice ?? '',
    channels: rule.channels ?? [],
    enabled: rule.enabled ?? true,
    shadow: rule.shadow ?? false,
    rest: { text, inhibit, escalate, then },
  }
}

/** As the API takes it: what is empty is left out. */
export function fieldsOf(draft: Draft): RuleFields {
  const { id, when, severity, repeat, resolve_after, enabled, shadow, channels } = draft
  const fields: RuleFields = { id, when: when.trim(), severity, repeat, resolve_after, enabled, shadow }
  for (const name of ['clear', 'for', 'title', 'advice'] as const) if (draft[name].trim()) fields[name] = draft[name].trim()
  if (channels.length) fields.channels = channels
  for (const [name, value] of Object.entries(draft.rest)) {
    const empty = value === null || value === undefined || (Array.isArray(value) && !value.length)
    if (!empty) Object.assign(fields, { [name]: value })
  }
  return fields
}

/** A name that no rule has, made of what the rule looks for: `level-error`, `level-error-2`. */
export function freeName(when: string, taken: readonly string[]): string {
  const words = when.toLowerCase().match(/\b[a-z][a-z0-9_]*/g) ?? []
  const stem = words.filter((word) => !['any', 'of', 'by', 'in', 'over', 'at', 'least', 'than', 'and', 'or', 'not'].includes(word)).slice(0, 3).join('-') || 'rule'
  let name = stem
  for (let n = 2; taken.includes(name); n++) name = `${stem}-${n}`
  return name
}

/** A way to begin: one line of each kind. */
export const EXAMPLES: readonly { when: string; clear?: string; what: Key }[] = [
  { when: 'any level:ERROR', what: 'ui.alerts.example.match' },
  { when: 'more than 5 level:ERROR over 1h', what: 'ui.alerts.example.count' },
  { when: 'failure rate > 15% over 15m, at least 20 runs', clear: 'failure rate < 8% over 15m', what: 'ui.alerts.example.rate' },
  { when: '3 failures in a row', what: 'ui.alerts.example.streak' },
  { when: 'run takes > 30s', what: 'ui.alerts.example.takes' },
  { when: 'run shows no progress for 10m', what: 'ui.alerts.example.stalled' },
  { when: 'mean duration_ms of event:node_finished by node > 2000 over 15m, at least 20', what: 'ui.alerts.example.mean' },
  { when: 'duration_ms by node 2x its usual over 1h, at least 10', what: 'ui.alerts.example.slower' },
  { when: 'no events from comfyui for 5m', what: 'ui.alerts.example.silent' },
  { when: 'fewer than 10 event:image_processed over 1d', what: 'ui.alerts.example.few' },
  { when: 'gpu.temperature_c > 87 for 2m', clear: 'gpu.temperature_c < 80', what: 'ui.alerts.example.level' },
  { when: 'new error group', what: 'ui.alerts.example.new' },
]
