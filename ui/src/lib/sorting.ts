/** Sorting the rows of a table by one column. */
export interface Order {
  column: string
  descending: boolean
}

type Row = Record<string, unknown>

/** Rows without a value come last either way; numbers sort as numbers, everything else as the language sorts words. */
export function sorted<T extends Row>(rows: readonly T[], order: Order | null, language: string): T[] {
  if (!order) return [...rows]
  const words = new Intl.Collator(language, { numeric: true })
  const sign = order.descending ? -1 : 1
  return [...rows].sort((a, b) => {
    const x = a[order.column] ?? null
    const y = b[order.column] ?? null
    if (x === null || y === null) return Number(x === null) - Number(y === null)
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : words.compare(String(x), String(y)))
  })
}
