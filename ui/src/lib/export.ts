/** Taking events away as a file. */
import { get, type EventPage, type LogEvent } from './api'
import { FIELDS } from './fields'

/** Rows in one file; more belong to `safelight query`. */
export const MOST_EXPORTED = 10_000
const PER_REQUEST = 1000

export const toNdjson = (events: readonly LogEvent[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('')

function cell(value: unknown): string {
  const text = value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)
  // A spreadsheet would run what begins like a formula: a quote in front makes it text.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe
}

export const toCsv = (columns: readonly string[], rows: readonly Record<string, unknown>[]): string =>
  [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => `${line.map(cell).join(',')}\r\n`).join('')

/** The known fields that occur, in their usual order. */
export const columnsOf = (events: readonly LogEvent[]): string[] =>
  FIELDS.filter((field) => events.some((event) => event[field] !== undefined))

/** The newest events of a result, up to MOST_EXPORTED. */
export async function newest(q: string, from: string, to: string, signal?: AbortSignal): Promise<LogEvent[]> {
  const events: LogEvent[] = []
  let cursor: string | null = null
  do {
    const page: EventPage = await get<EventPage>('/events', { q, from, to, cursor, limit: PER_REQUEST }, signal)
    events.push(...page.events)
    cursor = page.cursor
  } while (cursor && events.length < MOST_EXPORTED)
  return events.slice(0, MOST_EXPORTED)
}

export function download(name: string, type: string, content: string): void {
  const address = URL.createObjectURL(new Blob([content], { type }))
  const link = Object.assign(document.createElement('a'), { href: address, download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
