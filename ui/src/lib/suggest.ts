/** What may follow at the cursor of the query box. */
import { EVENT_NAMES, FIELDS, isListed } from './fields'
import { quote } from './filters'

export interface Suggestion {
  /** What is put in place of [start, end) of the query. */
  text: string
  kind: 'field' | 'value' | 'word'
}

export interface Spot {
  start: number
  end: number
  /** The field whose value stands here; null where a field or a word does. */
  field: string | null
  /** Typed so far. */
  prefix: string
  /** Behind a `|`. */
  piped: boolean
}

const MOST = 8
const FUNCTIONS = ['count()', 'avg(duration_ms)', 'p95(duration_ms)', 'max(duration_ms)', 'sum(duration_ms)', 'min(duration_ms)']
const PIPED = ['stats', 'sort', 'limit', 'by', ...FUNCTIONS]
const LEVEL_NAMES = ['ERROR', 'WARNING', 'INFO', 'DEBUG', 'CRITICAL']

/** What is being typed at `cursor`; null inside a phrase, where nothing can be known. */
export function spotAt(query: string, cursor: number): Spot | null {
  const before = query.slice(0, cursor)
  const quotes = before.match(/(?<!\\)"/g)?.length ?? 0
  const found = /(?:([\w.@]+):\(?(?:[^\s()"]+\s+or\s+)*)?("?)([^\s():"|]*)$/i.exec(before)!
  const field = found[1] ?? null
  if (quotes % 2 && !(field && found[2])) return null
  const prefix = found[3]!.replace(/^[-!]+/, field ? '$&' : '')
  const start = cursor - prefix.length - (field ? found[2]!.length : 0)
  return { start, end: cursor, field, prefix, piped: /\|/.test(before.replace(/"(?:\\.|[^"])*"/g, '')) }
}

/** Fields whose values the server should be asked for. */
export const wantsValues = (spot: Spot | null): string | null =>
  spot?.field && isListed(spot.field) && spot.field !== 'level' ? spot.field : null

const begins = (prefix: string) => (text: string) =>
  text.toLowerCase().startsWith(prefix.toLowerCase()) && text !== prefix

/** The best few. `values` are those that the server found for the field; `seen` are keys of attributes on the screen. */
export function suggest(spot: Spot, values: readonly string[], seen: readonly string[]): Suggestion[] {
  const { prefix, field } = spot
  const fits = begins(prefix)
  if (field) {
    const known = field === 'level' ? LEVEL_NAMES : field === 'event' ? [...values, ...EVENT_NAMES] : values
    return [...new Set(known)].filter(fits).slice(0, MOST).map((value) => ({ text: `${quote(value)} `, kind: 'value' as const }))
  }
  if (!prefix) return []
  const words = spot.piped ? PIPED : ['AND', 'OR', 'NOT']
  return [
    ...words.filter((word) => fits(word) && (spot.piped || prefix === prefix.toUpperCase())).map((text) => ({ text: `${text} `, kind: 'word' as const })),
    ...[...FIELDS, ...seen].filter(fits).map((name) => ({ text: spot.piped ? `${name} ` : `${name}:`, kind: 'field' as const })),
  ].slice(0, MOST)
}
