import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RunList } from './runlist.svelte'
import { filterOf } from './runlist'
import { run } from './runs.fixture'
import { HeldServer } from './server.fixture'

const page = (...ids: string[]) => ({ runs: ids.map((id) => run(id)), cursor: null, counts: {}, facets: {}, took_ms: 1 })
const shown = (list: RunList): string[] => list.rows.map(({ id }) => id)

let server: HeldServer
let list: RunList
beforeEach(() => {
  vi.useFakeTimers()
  server = new HeldServer()
  list = new RunList(() => true)
})
afterEach(() => {
  list.end()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** The list has its first answer, and its stream is open unless `opened` is false. */
async function start(opened = true): Promise<() => void> {
  void list.load(filterOf(new URLSearchParams()), { from: 'now-24h', to: 'now' })
  const end = list.watch()
  ;(await server.next()).give(page('a'))
  await vi.advanceTimersByTimeAsync(0)
  if (opened) {
    server.open!()
    ;(await server.next()).give(page('a'))
    await vi.advanceTimersByTimeAsync(2_000)
  }
  return end
}

it('shows what began before its stream was open', async () => {
  const end = await start(false)
  server.open!()
  ;(await server.next()).give(page('b', 'a'))
  await vi.advanceTimersByTimeAsync(0)
  expect(shown(list)).toEqual(['b', 'a'])
  end()
})

it('asks again after an answer that was on its way when there was news, and lets no older one follow it', async () => {
  const end = await start()
  await server.tell()
  const slow = await server.next()
  await server.tell()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(server.asked, 'one question at a time').toEqual([])
  slow.give(page('b', 'a'))
  ;(await server.next()).give(page('c', 'b', 'a'))
  await vi.advanceTimersByTimeAsync(10_000)
  expect(shown(list)).toEqual(['c', 'b', 'a'])
  expect(server.asked).toEqual([])
  end()
})

it('does not forget news while another question of the reader is under way', async () => {
  const end = await start()
  void list.load(filterOf(new URLSearchParams('state=failed')), { from: 'now-24h', to: 'now' })
  const asked = await server.next()
  await server.tell()
  await vi.advanceTimersByTimeAsync(5_000)
  asked.give(page('a'))
  ;(await server.next()).give(page('b', 'a'))
  await vi.advanceTimersByTimeAsync(0)
  expect(shown(list)).toEqual(['b', 'a'])
  end()
})
