/** Hostile text made harmless to read. It is only ever set as text; this is about what it could do to the eye. */

/** Characters that move, hide or turn what follows: controls, and the bidirectional overrides and isolates. */
const TRICKY = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g

function shown(character: string): string {
  const code = character.charCodeAt(0)
  if (code < 0x20) return String.fromCharCode(0x2400 + code) // ␀ to ␟, as Unicode names them
  if (code === 0x7f) return '␡'
  return `\\u${code.toString(16).padStart(4, '0')}`
}

/** Colour codes of terminals carry no words: they go. */
const COLOURS = /\u001b\[[\d;]*m/g

export const harmless = (text: string): string => text.replace(COLOURS, '').replace(TRICKY, shown)

const LINE_MOST = 1000

/** One line of a table: breaks become ⏎, and what nobody could read in a line is cut. */
export function oneLine(text: string): string {
  const cut = text.length > LINE_MOST ? `${text.slice(0, LINE_MOST)}…` : text
  return harmless(cut.replace(/\s*\r?\n\s*/g, ' ⏎ ').replace(/\t/g, ' '))
}

const NAME_MOST = 80

/** A name inside a sentence, which it must not drown. */
export const brief = (text: string): string => harmless(text.length > NAME_MOST ? `${text.slice(0, NAME_MOST)}…` : text)

export interface Piece {
  text: string
  marked: boolean
}

/** The text cut at every place where one of the words occurs, in any case. */
export function marked(text: string, words: readonly string[]): Piece[] {
  const wanted = words.filter((word) => word.length > 0)
  if (!wanted.length) return [{ text, marked: false }]
  const pattern = new RegExp(wanted.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'gi')
  const pieces: Piece[] = []
  let end = 0
  for (const hit of text.matchAll(pattern)) {
    if (hit.index > end) pieces.push({ text: text.slice(end, hit.index), marked: false })
    pieces.push({ text: hit[0], marked: true })
    end = hit.index + hit[0].length
  }
  if (end < text.length) pieces.push({ text: text.slice(end), marked: false })
  return pieces
}
