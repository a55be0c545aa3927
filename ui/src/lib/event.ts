/** An event in words. */
import type { LogEvent } from './api'
import { duration } from './format'
import { oneLine } from './text'

const text = (value: unknown): string => (typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value))

/** What somebody wrote into the event; empty when it only has figures. */
export const spoken = (event: LogEvent): string =>
  oneLine(text(event.message) || text(event.error_message) || text(event.raw) || text(event.error_type))

/** The event on one line: what it says, or else the plain ones of its attributes. */
export function summary(event: LogEvent): string {
  const said = spoken(event)
  if (said || !event.attributes) return said
  const plain = Object.entries(event.attributes).filter(([, value]) => value !== null && typeof value !== 'object')
  return oneLine(plain.slice(0, 6).map(([key, value]) => `${key}=${String(value)}`).join('  '))
}

export const took = (event: LogEvent): string | null => (typeof event.duration_ms === 'number' ? duration(event.duration_ms) : null)

/** Whether the name of the event says more than "a line was logged". */
export const named = (event: LogEvent): boolean => !!event.event && event.event !== 'log'

/** The last line of a Python traceback names the error; the frames above it are where. */
export interface Trace {
  lines: { text: string; kind: 'frame' | 'code' | 'error' | 'note' }[]
  frames: number
}

export function trace(traceback: string): Trace {
  let frames = 0
  const lines = traceback.replace(/\s+$/, '').split(/\r?\n/).map((line) => {
    if (/^\s+File ".*", line \d+/.test(line)) {
      frames++
      return { text: line, kind: 'frame' as const }
    }
    if (/^\s/.test(line)) return { text: line, kind: 'code' as const }
    return { text: line, kind: /^[\w.]+(?:Error|Exception|Warning|Interrupt|Exit)\b|^[\w.]+: /.test(line) ? ('error' as const) : ('note' as const) }
  })
  return { lines, frames }
}
