/** Editing a query by clicks: every edit is text in, text out, and what the reader typed stays as it was typed. */
import { scan, type Clause, type Scan } from './scan'

export type FilterState = 'in' | 'out' | null

/** A value as the query language takes it back. Anything but a plain word is quoted; values never become syntax. */
export function quote(value: unknown): string {
  const text = String(value)
  const plain = /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*$/u.test(text) && !/^(and|or|not|to)$/i.test(text)
  return plain ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`
}

/** The path to a key inside `attributes`; characters that mean something to the language are escaped. */
export function path(keys: readonly string[]): string {
  return keys.map((key) => key.replace(/[^\p{L}\p{N}_@.-]/gu, '\\$&')).join('.')
}

const same = (field: string, a: string, b: string): boolean =>
  field === 'level' ? a.toUpperCase() === b.toUpperCase() : a === b

const holds = (clause: Clause, field: string, value: string): boolean =>
  clause.field === field && !!clause.values?.some((v) => same(field, v, value))

function clauseText(field: string, values: readonly string[], negated: boolean): string {
  const body = values.length === 1 ? quote(values[0]) : `(${values.map(quote).join(' OR ')})`
  return `${negated ? '-' : ''}${field}:${body}`
}

/** The query without what stands in [start, end), its AND and the spare blank. */
function cut(query: string, start: number, end: number): string {
  const before = query.slice(0, start).replace(/(^|\s)(?:and|&&)\s+$/i, '$1').trimEnd()
  let after = query.slice(end).trimStart()
  if (!before) after = after.replace(/^(?:and|&&)\s+/i, '')
  return before && after ? `${before} ${after}` : before + after
}

const replace = (query: string, clause: Clause, text: string): string =>
  query.slice(0, clause.start) + text + query.slice(clause.end)

function append(query: string, { disjunction, pipe }: Scan, text: string): string {
  const where = query.slice(0, pipe).trim()
  const pipes = query.slice(pipe).trim()
  const kept = !where || where === '*' ? '' : disjunction ? `(${where}) ` : `${where} `
  return `${kept}${text}${pipes ? ` ${pipes}` : ''}`
}

/** Whether `field:value` is asked for, excluded, or neither. */
export function stateOf(query: string, field: string, value: unknown): FilterState {
  const { clauses, disjunction } = scan(query)
  if (disjunction) return null
  const found = clauses.find((clause) => holds(clause, field, String(value)))
  return found ? (found.negated ? 'out' : 'in') : null
}

function drop(query: string, clause: Clause, field: string, value: string): string {
  const rest = clause.values!.filter((v) => !same(field, v, value))
  if (!rest.length) return cut(query, clause.start, clause.end)
  return replace(query, clause, clauseText(field, rest, clause.negated))
}

/** Ask for `field:value`, or exclude it with `negated`. The same again takes it back, the opposite flips it.
 *  A second value of a field that is already asked for widens it: `level:(ERROR OR WARNING)`. */
export function toggle(query: string, field: string, value: unknown, negated = false): string {
  const text = String(value)
  const before = scan(query)
  if (before.disjunction) return append(query, before, clauseText(field, [text], negated))
  const found = before.clauses.find((clause) => holds(clause, field, text))
  if (found) {
    const rest = drop(query, found, field, text)
    return found.negated === negated ? rest : toggle(rest, field, text, negated)
  }
  const peer = before.clauses.find((clause) => clause.field === field && clause.values && !clause.negated)
  if (peer && !negated) return replace(query, peer, clauseText(field, [...peer.values!, text], false))
  return append(query, before, clauseText(field, [text], negated))
}

/** What is searched, without the pipes behind it. */
export const conditionOf = (query: string): string => query.slice(0, scan(query).pipe).trim()

/** The query without what asks for values of `field`: the other values it could have. */
export function withoutField(query: string, field: string): string {
  const { clauses, disjunction } = scan(query)
  if (disjunction) return query
  const ours = clauses.filter((clause) => clause.field === field && clause.values && !clause.negated)
  return ours.reduceRight((text, clause) => cut(text, clause.start, clause.end), query)
}

/** Fields of which the query asks for certain values. */
export function askedFields(query: string): Set<string> {
  const { clauses, disjunction } = scan(query)
  if (disjunction) return new Set()
  return new Set(clauses.flatMap((clause) => (clause.field && clause.values && !clause.negated ? [clause.field] : [])))
}

/** The words and phrases that are looked for in messages, to be marked there. */
export function searchedWords(query: string): string[] {
  const { clauses } = scan(query)
  return clauses.flatMap((clause) => {
    if (clause.negated) return []
    if (clause.field === 'message' && clause.values) return clause.values
    return clause.word && clause.word !== '*' ? [clause.word] : []
  })
}
