import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Throttle } from './throttle'

const page = { hidden: false }
let asked = 0
let took = 0
let throttle: Throttle
beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('document', page)
  page.hidden = false
  asked = took = 0
  throttle = new Throttle(
    () => {
      asked++
      throttle.began()
    },
    () => took,
  )
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

function happen(times: number, apart_ms: number): void {
  for (let i = 0; i < times; i++) {
    throttle.soon()
    vi.advanceTimersByTime(apart_ms)
  }
}

it('asks at once after a rest, and then once a second however much happens', () => {
  vi.advanceTimersByTime(10_000)
  throttle.soon()
  vi.advanceTimersByTime(0)
  expect(asked).toBe(1)
  throttle.ended()
  happen(99, 10)
  expect(asked).toBe(1)
  happen(2, 10)
  expect(asked).toBe(2)
})

it('rests four times as long as the answer took', () => {
  throttle.now()
  throttle.ended()
  took = 2_000
  throttle.soon()
  vi.advanceTimersByTime(9_999)
  expect(asked).toBe(1)
  vi.advanceTimersByTime(1)
  expect(asked).toBe(2)
})

it('waits for an answer that takes long, and asks once more after it', () => {
  throttle.now()
  happen(50, 100)
  expect(asked).toBe(1)
  throttle.ended()
  vi.advanceTimersByTime(60_000)
  expect(asked).toBe(2)
  throttle.ended()
  vi.advanceTimersByTime(60_000)
  expect(asked).toBe(2)
})

it('waits no longer than a minute for an answer that does not come', () => {
  throttle.now()
  vi.advanceTimersByTime(59_000)
  happen(1, 0)
  expect(asked).toBe(1)
  vi.advanceTimersByTime(1_000)
  happen(1, 0)
  expect(asked).toBe(2)
})

it('does not ask again for what happened before the question', () => {
  throttle.soon()
  throttle.began()
  throttle.ended()
  vi.advanceTimersByTime(60_000)
  expect(asked).toBe(0)
})

it('asks nothing for a page that nobody sees, nor after its end', () => {
  page.hidden = true
  throttle.soon()
  vi.advanceTimersByTime(60_000)
  page.hidden = false
  throttle.soon()
  throttle.stop()
  vi.advanceTimersByTime(60_000)
  expect(asked).toBe(0)
})
