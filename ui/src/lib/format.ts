/** Numbers, sizes and times as a person reads them, in the reader's language and zone. */
import { prefs, type Zone } from './prefs.svelte'

const formats = new Map<string, Intl.NumberFormat>()

function format(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = prefs.language + JSON.stringify(options)
  let made = formats.get(key)
  if (!made) formats.set(key, (made = new Intl.NumberFormat(prefs.language, options)))
  return made
}

export const count = (n: number): string => format({}).format(n)
/** `failed, rejected, or lost`. */
export const disjunction = (words: readonly string[]): string => new Intl.ListFormat(prefs.language, { type: 'disjunction' }).format(words)
export const compact = (n: number): string => format({ notation: 'compact', maximumFractionDigits: 1 }).format(n)

export function percent(ratio: number): string {
  const digits = ratio !== 0 && Math.abs(ratio) < 0.1 ? 1 : 0
  return format({ style: 'percent', maximumFractionDigits: digits }).format(ratio)
}

/** A rate in the unit that makes it a number a person can picture. */
export function rate(n: number, minutes: number): { per: 'minute' | 'hour' | 'day'; n: string } {
  const a = n / minutes
  if (a >= 1 || n === 0) return { per: 'minute', n: compact(a) }
  return a * 60 >= 1 ? { per: 'hour', n: compact(a * 60) } : { per: 'day', n: compact(a * 1440) }
}

function unit(value: number, name: string, digits: number): string {
  return format({ style: 'unit', unit: name, unitDisplay: 'narrow', maximumFractionDigits: digits }).format(value)
}

/** Three digits of precision are enough to compare by eye. */
export function duration(ms: number): string {
  if (ms < 1000) return unit(ms, 'millisecond', ms < 10 ? 1 : 0)
  if (ms < 60_000) return unit(ms / 1000, 'second', ms < 10_000 ? 2 : 1)
  if (ms < 3_600_000) return `${unit(Math.floor(ms / 60_000), 'minute', 0)} ${unit((ms % 60_000) / 1000, 'second', 0)}`
  return `${unit(Math.floor(ms / 3_600_000), 'hour', 0)} ${unit((ms % 3_600_000) / 60_000, 'minute', 0)}`
}

/** A guess, not good to the second: `40s`, `7m`, `2h 10m`. */
export function roughly(ms: number): string {
  if (ms < 55_000) return unit(Math.max(5, Math.ceil(ms / 5000) * 5), 'second', 0)
  const minutes = Math.max(1, Math.round(ms / 60_000))
  return minutes < 60 ? unit(minutes, 'minute', 0) : duration(Math.round(minutes / 5) * 300_000)
}

export function bytes(n: number): string {
  const names = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte']
  let step = 0
  while (n >= 1000 && step < names.length - 1) {
    n /= 1000
    step++
  }
  return unit(n, names[step]!, step && n < 100 ? 1 : 0)
}

/** Memory as GPUs and drivers count it, in MB of 1024 × 1024 bytes: a card of "24 GB" has 24 × 1024 of them. */
export function memory(mb: number): string {
  const [value, name] = Math.abs(mb) < 1000 ? [mb, 'megabyte'] : [mb / 1024, 'gigabyte']
  const digits = Math.abs(value) < (name === 'megabyte' ? 10 : 100) ? 1 : 0
  return format({ style: 'unit', unit: name, unitDisplay: 'short', minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
}

/** A measured figure with the unit that the server names, as a person reads it. */
export function figure(value: number, name: string): string {
  if (!value) return '0'
  switch (name) {
    case 'ms':
      return duration(value)
    case 's':
      return duration(value * 1000)
    case 'MB':
      return memory(value)
    case 'GB':
      return memory(value * 1024)
    case '%':
      return percent(value / 100)
    default:
      return [compact(value), name].filter(Boolean).join(' ')
  }
}

/** Made once: a long table says it a hundred times a second. */
const relatives = new Map<string, Intl.RelativeTimeFormat>()

/** `5 min. ago`, in the largest unit that fits. */
export function ago(iso: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(iso)) / 1000))
  let words = relatives.get(prefs.language)
  if (!words) relatives.set(prefs.language, (words = new Intl.RelativeTimeFormat(prefs.language, { numeric: 'always', style: 'short' })))
  if (seconds < 60) return words.format(-seconds, 'second')
  if (seconds < 3600) return words.format(-Math.floor(seconds / 60), 'minute')
  if (seconds < 86_400) return words.format(-Math.floor(seconds / 3600), 'hour')
  return words.format(-Math.floor(seconds / 86_400), 'day')
}

export const two = (n: number): string => String(n).padStart(2, '0')

/** The parts of a moment on the reader's clock. By hand: a table paints hundreds of them a frame. */
export function parts(at: Date, zone: Zone) {
  const utc = zone === 'utc'
  return {
    year: utc ? at.getUTCFullYear() : at.getFullYear(),
    month: (utc ? at.getUTCMonth() : at.getMonth()) + 1,
    day: utc ? at.getUTCDate() : at.getDate(),
    hour: utc ? at.getUTCHours() : at.getHours(),
    minute: utc ? at.getUTCMinutes() : at.getMinutes(),
    second: utc ? at.getUTCSeconds() : at.getSeconds(),
    milli: at.getUTCMilliseconds(),
  }
}

export function clock(at: Date, zone: Zone = prefs.zone): string {
  const p = parts(at, zone)
  return `${two(p.hour)}:${two(p.minute)}:${two(p.second)}`
}

export function clockMs(iso: string, zone: Zone = prefs.zone): string {
  const at = new Date(iso)
  return Number.isNaN(at.getTime()) ? iso : `${clock(at, zone)}.${String(at.getUTCMilliseconds()).padStart(3, '0')}`
}

export function date(at: Date, zone: Zone = prefs.zone): string {
  const p = parts(at, zone)
  return `${p.year}-${two(p.month)}-${two(p.day)}`
}

export function monthDay(at: Date, zone: Zone = prefs.zone): string {
  const p = parts(at, zone)
  return `${two(p.month)}-${two(p.day)}`
}

/** To the second, with its date: unambiguous in both languages. */
export function moment(iso: string, zone: Zone = prefs.zone): string {
  const at = new Date(iso)
  return Number.isNaN(at.getTime()) ? iso : `${date(at, zone)} ${clock(at, zone)}`
}

/** The middle of a range label: the date only where it is not today. */
export function shortMoment(at: Date, zone: Zone = prefs.zone, now = new Date()): string {
  const p = parts(at, zone)
  const time = `${two(p.hour)}:${two(p.minute)}${p.second ? `:${two(p.second)}` : ''}`
  return date(at, zone) === date(now, zone) ? time : `${monthDay(at, zone)} ${time}`
}
