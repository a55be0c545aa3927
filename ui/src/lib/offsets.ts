/** Where the rows of a virtual list stand: all as high as each other, a few opened ones higher. */
export class Offsets {
  #extra = new Map<number, number>()

  constructor(public rowHeight: number) {}

  /** Row `i` is `pixels` higher than the others; 0 when it is closed again. */
  set(i: number, pixels: number): void {
    if (pixels > 0) this.#extra.set(i, pixels)
    else this.#extra.delete(i)
  }

  /** `by` new rows stand above all others. */
  shift(by: number): void {
    this.#extra = new Map([...this.#extra].map(([i, pixels]) => [i + by, pixels]))
  }

  /** The upper edge of row `i`; of row `n` it is the height of `n` rows. */
  top(i: number): number {
    let y = i * this.rowHeight
    for (const [above, pixels] of this.#extra) if (above < i) y += pixels
    return y
  }

  /** The row of `n` at height `y`. */
  at(y: number, n: number): number {
    let low = 0
    let high = Math.max(0, n - 1)
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.top(middle + 1) <= y) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The half-open window of rows to paint, with a few to spare on both sides. */
  window(scroll: number, height: number, n: number, spare = 8): [number, number] {
    if (n === 0) return [0, 0]
    return [Math.max(0, this.at(scroll, n) - spare), Math.min(n, this.at(scroll + height, n) + 1 + spare)]
  }
}
