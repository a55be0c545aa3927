import { expect, test } from 'vitest'
import { LEFT, lineOf, plotOf } from './plot'

const plot = plotOf(LEFT + 6 + 100, 128, 1000, 2000, 50)

test('the ends of the time and of the scale are the edges of the drawing', () => {
  expect([plot.x(1000), plot.x(2000)]).toEqual([LEFT, LEFT + 100])
  expect([plot.y(50), plot.y(0)]).toEqual([8, plot.bottom])
  expect(plot.y(-5)).toBe(plot.bottom)
})

test('a line has a gap where nothing was measured', () => {
  expect(lineOf(plot, [1000, 1250, 1500, 2000], [0, null, 50, 25])).toBe(`M${LEFT}.0 108.0M${LEFT + 50}.0 8.0L${LEFT + 100}.0 58.0`)
})

test('a scale of nothing and a time of nothing can be drawn', () => {
  const flat = plotOf(0, 100, 5, 5, 0)
  expect([flat.x(5), flat.y(0), flat.width]).toEqual([LEFT, 80, 0])
})
