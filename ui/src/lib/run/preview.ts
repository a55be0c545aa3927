/** Values of a node as one line. A tensor is told by its shape: nobody keeps its numbers. */

const MOST = 300

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A link of a prompt: another node's output. */
export function linkOf(value: unknown): { id: string; output: number } | null {
  if (!Array.isArray(value) || value.length !== 2) return null
  const [id, output] = value as unknown[]
  return typeof id === 'string' && typeof output === 'number' ? { id, output } : null
}

export function preview(value: unknown): string {
  if (typeof value === 'string') return cut(value)
  if (Array.isArray(value)) return cut(value.every((each) => !isRecord(each) && !Array.isArray(each)) ? value.map(String).join(', ') : value.map(preview).join(' · '))
  if (!isRecord(value)) return String(value)
  const { type, shape, dtype, device, preview: said, ...rest } = value
  const words = [type, Array.isArray(shape) ? shape.join('×') : shape, dtype, device, said]
    .filter((word) => word !== undefined && word !== null && word !== '')
    .map((word) => (typeof word === 'object' ? JSON.stringify(word) : String(word)))
  for (const [key, each] of Object.entries(rest)) {
    if (each === null || each === false) continue
    words.push(each === true ? key : `${key}=${typeof each === 'object' ? preview(each) : typeof each === 'number' ? Number(each.toPrecision(4)) : String(each)}`)
  }
  return cut(words.join(' ')) || '{}'
}

const cut = (text: string): string => (text.length > MOST ? `${text.slice(0, MOST)}…` : text)
