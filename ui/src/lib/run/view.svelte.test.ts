import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { run } from '../runs.fixture'
import type { RunDetail } from '../runs'
import { HeldServer } from '../server.fixture'
import { RunView } from './view.svelte'

const detail = (finished: number): RunDetail =>
  ({ ...run('a', { state: 'running', nodes: { total: 9, finished, cached: 0, failed: 0 } }), executions: [], curve: null, graph: null }) as unknown as RunDetail

let server: HeldServer
let view: RunView
beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('matchMedia', () => ({ matches: false }))
  server = new HeldServer()
  view = new RunView('a')
})
afterEach(() => {
  view.end()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('waits for an answer that takes longer than news take to come, and asks again after it', async () => {
  void view.load()
  ;(await server.next()).give(detail(1))
  await vi.advanceTimersByTimeAsync(2_000)
  const end = view.follow()
  server.open!()
  const slow = await server.next()
  for (let i = 0; i < 5; i++) {
    await server.tell()
    await vi.advanceTimersByTimeAsync(1_500)
  }
  expect(slow.aborted).toBe(false)
  expect(server.asked).toEqual([])
  slow.give(detail(2))
  await vi.advanceTimersByTimeAsync(0)
  expect(view.run?.nodes.finished).toBe(2)
  ;(await server.next()).give(detail(3))
  await vi.advanceTimersByTimeAsync(10_000)
  expect(view.run?.nodes.finished).toBe(3)
  expect(server.asked).toEqual([])
  end()
})
