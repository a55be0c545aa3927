/** Where a figure over time stands in a drawing, in pixels. */
export interface Plot {
  start: number
  end: number
  left: number
  width: number
  /** The lower edge. */
  bottom: number
  x(at: number): number
  y(value: number): number
}

/** Room for labels on the left and below. */
export const LEFT = 50
const ABOVE = 8
const BELOW = 20
const RIGHT = 6

/** A drawing of `width` and `height` for the time from `start` to `end` (ms) and values from 0 to `top`. */
export function plotOf(width: number, height: number, start: number, end: number, top: number): Plot {
  const span = Math.max(1, end - start)
  const room = Math.max(0, width - LEFT - RIGHT)
  const bottom = height - BELOW
  return {
    start,
    end,
    left: LEFT,
    width: room,
    bottom,
    x: (at) => LEFT + ((at - start) / span) * room,
    y: (value) => ABOVE + (bottom - ABOVE) * (1 - Math.max(0, value) / (top || 1)),
  }
}

/** A line through the values, with a gap where there is none. */
export function lineOf(plot: Plot, at: readonly number[], values: readonly (number | null)[]): string {
  let path = ''
  let pen = false
  values.forEach((value, i) => {
    if (value === null) return void (pen = false)
    path += `${pen ? 'L' : 'M'}${plot.x(at[i]!).toFixed(1)} ${plot.y(value).toFixed(1)}`
    pen = true
  })
  return path
}
