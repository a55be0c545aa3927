/** A reader of the query language, just deep enough to edit a query: its top-level clauses and where they stand. */

export interface Clause {
  /** Half-open place in the query, with a leading `NOT`. */
  start: number
  end: number
  negated: boolean
  /** null: a bare word, a phrase, or something that is not ours to edit. */
  field: string | null
  /** The values of `field:a`, `field:"a b"` or `field:(a OR b)`; null for ranges, patterns and the like. */
  values: string[] | null
  /** The bare word or phrase that is searched for in messages. */
  word: string | null
}

export interface Scan {
  clauses: Clause[]
  /** An OR stands between the clauses: a new one may only be added around brackets. */
  disjunction: boolean
  /** Where the first `|` of the pipes stands; the length of the query without one. */
  pipe: number
}

const CLOSES: Record<string, string> = { '(': ')', '[': ']', '{': '}' }

/** The place after the quoted text that opens at `at`; a missing end closes with the query. */
function afterQuoted(text: string, at: number): number {
  const mark = text[at]
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === mark) return i + 1
  }
  return text.length
}

function afterBracket(text: string, at: number): number {
  const open: string[] = []
  for (let i = at; i < text.length; i++) {
    const c = text[i]!
    if (c === '\\') i++
    else if (c === '"') i = afterQuoted(text, i) - 1
    else if (c in CLOSES) open.push(c)
    else if (c === ')' || c === ']' || c === '}') {
      open.pop()
      if (!open.length) return i + 1
    }
  }
  return text.length
}

/** The place after the word, value or group that starts at `at`. */
function afterAtom(text: string, at: number): number {
  let i = at
  while (i < text.length) {
    const c = text[i]!
    if (/[\s|)]/.test(c)) break
    if (c === '\\') i += 2
    else if (c === '"') i = afterQuoted(text, i)
    else if (c === '“') i = (text.indexOf('”', i) + 1 || text.length)
    else if (c in CLOSES) return afterBracket(text, i)
    else if (c === '/' && (i === at || text[i - 1] === ':')) i = afterQuoted(text, i)
    else i++
  }
  return Math.min(i, text.length)
}

/** Take the quotes and escapes off. A Chinese keyboard's quotes are as good. */
export function unquote(text: string): string {
  if (text.startsWith('“')) return text.replace(/^“|”$/g, '')
  const inner = text.startsWith('"') ? text.replace(/^"|"$/g, '') : text
  return inner.replace(/\\([\s\S])/g, '$1')
}

const isPlain = (text: string): boolean => /^["“]/.test(text) || /^(?:[^\s()[\]{}"/*?<>=~\\]|\\.)+$/.test(text)

/** `a`, `"a b"` or `(a OR "b")` as its values. */
function valuesOf(text: string): string[] | null {
  if (!text.startsWith('(')) return text && isPlain(text) ? [unquote(text)] : null
  const values: string[] = []
  let wantsValue = true
  for (let i = 1; i < text.length - 1; ) {
    if (/\s/.test(text[i]!)) {
      i++
      continue
    }
    const end = afterAtom(text, i)
    if (end === i) return null
    const atom = text.slice(i, end)
    if (wantsValue) {
      if (!isPlain(atom)) return null
      values.push(unquote(atom))
    } else if (!/^or$/i.test(atom)) return null
    wantsValue = !wantsValue
    i = end
  }
  return values.length && !wantsValue ? values : null
}

export function scan(query: string): Scan {
  const clauses: Clause[] = []
  let disjunction = false
  let not: number | null = null
  let i = 0
  while (i < query.length) {
    if (/\s/.test(query[i]!)) {
      i++
      continue
    }
    if (query.startsWith('||', i)) {
      disjunction = true
      i += 2
      continue
    }
    if (query[i] === '|') break
    const start = i
    let negated = false
    while (query[i] === '-' || query[i] === '!') {
      negated = !negated
      i++
    }
    const end = Math.max(afterAtom(query, i), i + 1)
    const atom = query.slice(i, end)
    i = end
    if (!negated && /^(and|or|not|&&)$/i.test(atom)) {
      if (/^or$/i.test(atom)) disjunction = true
      if (/^not$/i.test(atom)) not = start
      continue
    }
    const named = /^((?:[^\s:：()[\]{}"/<>=]|\\.)+)[:：]([\s\S]*)$/.exec(atom)
    const word = !named && isPlain(atom) ? unquote(atom) : null
    clauses.push({
      start: not ?? start,
      end,
      negated: negated !== (not !== null),
      field: named ? named[1]! : null,
      values: named ? valuesOf(named[2]!) : null,
      word,
    })
    not = null
  }
  return { clauses, disjunction, pipe: Math.min(i, query.length) }
}
