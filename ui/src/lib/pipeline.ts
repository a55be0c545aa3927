/** The pipeline: what comes in, what is kept of it, where it goes, and why something does not arrive. */
import { compact, count } from './format'
import { has, t } from './i18n'
import type { Look } from './looks'
import { harmless } from './text'

export interface FileProgress {
  path: string
  size: number
  offset: number
  /** Bytes that are not read yet. */
  behind: number
  lag_s: number
  /** Lines that were over the limit. */
  cut: number
}
export interface Step {
  type: string
  /** Its place in the chain: `3 sample`. */
  name: string
  in: number
  out: number
  dropped: number
  rate: number
  /** CPU time for 1,000 events. */
  ms: number
  /** Events on which it raised an error. */
  failed: number
}
export type SourceCondition = 'reading' | 'waiting' | 'failed'
export interface Source {
  type: string
  name: string
  service: string | null
  state: SourceCondition
  detail: string
  events: number
  /** Events a second over the last minute, as every rate here. */
  rate: number
  bytes: number
  bytes_rate: number
  last_event_at: string | null
  not_understood: number
  refused: Record<string, number>
  lag_s: number | null
  behind_bytes: number | null
  files: FileProgress[]
  files_total: number
  steps: Step[]
}
export type StoreCondition = 'ok' | 'refusing'
export interface Store {
  events: number
  bytes: number
  rate: number
  state: StoreCondition
  detail: string
}
export interface Queue {
  events: number
  bytes: number
  capacity_bytes: number
  share: number
  oldest_at: string | null
}
export type SinkCondition = 'ok' | 'retrying' | 'blocked' | 'broken' | 'idle'
export interface Sink {
  type: string
  name: string
  where: string | null
  state: SinkCondition
  /** What went wrong last. */
  detail: string
  sent: number
  rate: number
  bytes: number
  queue: Queue
  /** Stored, and not yet in the queue. */
  behind_events: number
  dropped: Record<string, number>
  refused: number
  retries: number
  attempt: number
  next_try_at: string | null
  last_sent_at: string | null
  dead_letters: number
}
export type Severity = 'error' | 'warning' | 'note'
export interface Trouble {
  severity: Severity
  where: string
  said: string
  remedy: string
}
export interface Pipeline {
  agent: boolean
  sources: Source[]
  /** Null in an agent, which has none. */
  store: Store | null
  sinks: Sink[]
  problems: Trouble[]
}

export const SOURCE_LOOKS: Record<SourceCondition, Look> = {
  reading: { icon: 'check', tone: 'ok', word: 'ui.overview.source_reading' },
  waiting: { icon: 'clock', tone: 'plain', word: 'ui.overview.source_waiting' },
  failed: { icon: 'close', tone: 'err', word: 'ui.overview.source_failed' },
}
export const STORE_LOOKS: Record<StoreCondition, Look> = {
  ok: { icon: 'check', tone: 'ok', word: 'ui.pipeline.works' },
  refusing: { icon: 'close', tone: 'err', word: 'ui.pipeline.refusing' },
}
export const SINK_LOOKS: Record<SinkCondition, Look> = {
  ok: { icon: 'check', tone: 'ok', word: 'ui.pipeline.works' },
  idle: { icon: 'pause', tone: 'plain', word: 'ui.pipeline.idle' },
  retrying: { icon: 'again', tone: 'warn', word: 'ui.pipeline.retrying' },
  blocked: { icon: 'blocked', tone: 'err', word: 'ui.pipeline.blocked' },
  broken: { icon: 'close', tone: 'err', word: 'ui.pipeline.broken' },
}
export const SEVERITY_LOOKS: Record<Severity, Look> = {
  error: { icon: 'alert', tone: 'err', word: 'ui.pipeline.severity.error' },
  warning: { icon: 'alert', tone: 'warn', word: 'ui.pipeline.severity.warning' },
  note: { icon: 'eye', tone: 'plain', word: 'ui.pipeline.severity.note' },
}

/** Long enough behind to be pointed out. */
const LATE_S = 60
export const isLate = (lag_s: number | null): boolean => lag_s !== null && lag_s >= LATE_S

export const isTroubled = (part: Source | Sink): boolean => part.state === 'failed' || part.state === 'blocked' || part.state === 'broken' || part.state === 'retrying'

/** What is in trouble comes first, everything else stays where the configuration has it. */
export const troubledFirst = <T extends Source | Sink>(parts: readonly T[]): T[] => [...parts].sort((a, b) => Number(isTroubled(b)) - Number(isTroubled(a)))

/** Sources have types and names, of which nobody says that they differ: the second of two equals is `file host #2`. */
export function keysOf(sources: readonly Source[]): Map<Source, string> {
  const seen = new Map<string, number>()
  return new Map(
    sources.map((source) => {
      const name = `${source.type} ${source.name}`
      const times = (seen.get(name) ?? 0) + 1
      seen.set(name, times)
      return [source, times > 1 ? `${name} #${times}` : name]
    }),
  )
}

/** What a problem is about, as the parameters that show it: a source by its name, with or without its type, or a sink. */
export function placeOf(where: string, { sources, sinks }: Pick<Pipeline, 'sources' | 'sinks'>): { source: string } | { sink: string } | null {
  if (sinks.some(({ name }) => name === where)) return { sink: where }
  for (const [{ type, name }, key] of keysOf(sources)) if (where === name || where === `${type} ${name}`) return { source: key }
  return null
}

/** `file · comfyui`: the type and the service, as far as the name does not say them. */
export function kindOf({ type, name, service }: Pick<Source, 'type' | 'name' | 'service'>): string {
  const said = (word: string): boolean => [name, name.split(/[ :]/, 1)[0]].includes(word)
  return [...new Set([type, service])].filter((word) => word && !said(word)).join(' · ')
}

export const sum = (parts: readonly { rate: number }[]): number => parts.reduce((all, { rate }) => all + rate, 0)

/** A rate, to as many digits as help: `1,284`, `12.4`, `0.02`. */
export function perSecond(rate: number): string {
  if (rate <= 0) return '0'
  if (rate < 0.01) return `<${count(0.01)}`
  const digits = rate < 10 ? 2 : rate < 100 ? 1 : 0
  return count(Number(rate.toFixed(digits)))
}

/** More digits than this do not fit beside other figures. */
const LONG = 10_000_000
/** A number that grows before one's eyes; a huge one in short. */
export const tally = (n: number): string => (n < LONG ? count(n) : compact(n))

/** So much of a path's end stays to be seen: the name of the file is there. */
const TAIL = 22

/** The text as what may be shortened and what follows it. Cut between characters, never inside one. */
export function halves(text: string): readonly [head: string, tail: string] {
  const characters = [...harmless(text)]
  return characters.length <= TAIL ? ['', characters.join('')] : [characters.slice(0, -TAIL).join(''), characters.slice(-TAIL).join('')]
}

/** Why, and how many, the most frequent first. */
export const reasons = (counts: Readonly<Record<string, number>>): [why: string, n: number][] =>
  Object.entries(counts)
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)

/** A reason as people say it; one that we have no words for as it came. */
export function reason(why: string): string {
  const key = `ui.pipeline.why.${why}`
  return has(key) ? t(key) : harmless(why).replaceAll('_', ' ')
}

export const total = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((all, n) => all + n, 0)

/** Whole seconds from now on, 0 when it is due: they count down without jumping about. */
export const untilMs = (iso: string, now: number): number => Math.max(0, Math.ceil((Date.parse(iso) - now) / 1000) * 1000)
