import { expect, test } from 'vitest'
import { halves, isLate, keysOf, kindOf, perSecond, placeOf, reason, reasons, tally, total, troubledFirst, untilMs, type Sink, type Source } from './pipeline'

const source = (name: string, state: Source['state'] = 'reading'): Source => ({ type: 'file', name, state }) as Source

test('a rate has as many digits as help to compare it', () => {
  expect([0, 0.001, 1 / 60, 0.5, 9.876, 12.34, 128.4, 12_345.6].map(perSecond)).toEqual(['0', '<0.01', '0.02', '0.5', '9.88', '12.3', '128', '12,346'])
})

test('a path is cut so that the name of its file stays, and put together it is the path', () => {
  const path = '/srv/render-farm/北京/gpu-01/comfyui/output/2026-11/comfyui.log'
  const [head, tail] = halves(path)
  expect(head + tail).toBe(path)
  expect(tail.endsWith('/comfyui.log')).toBe(true)
  expect(halves('host')).toEqual(['', 'host'])
  expect(halves(`${'a'.repeat(30)}${'🎞'.repeat(22)}`)[1]).toBe('🎞'.repeat(22))
  expect(halves('\u202egol.a')[1]).toBe('\\u202egol.a')
})

test('what is in trouble comes first, and nothing else moves', () => {
  const names = troubledFirst([source('a'), source('b', 'waiting'), source('c', 'failed'), source('d')]).map(({ name }) => name)
  expect(names).toEqual(['c', 'a', 'b', 'd'])
  const sinks = troubledFirst((['ok', 'retrying', 'idle', 'broken', 'blocked'] as const).map((state) => ({ state }) as Sink))
  expect(sinks.map(({ state }) => state)).toEqual(['retrying', 'broken', 'blocked', 'ok', 'idle'])
})

test('two sources of one name are told apart', () => {
  expect([...keysOf([source('a'), source('b'), source('a')]).values()]).toEqual(['file a', 'file b', 'file a #2'])
})

test('reasons are counted, the most frequent first, and said in words where there are any', () => {
  expect(reasons({ a: 1, none: 0, b: 7 })).toEqual([
    ['b', 7],
    ['a', 1],
  ])
  expect(total({ a: 1, none: 0, b: 7 })).toBe(8)
  expect([reason('queue_full'), reason('no_words'), reason('\u202esuoitsym')]).toEqual(['queue full', 'no words', '\\u202esuoitsym'])
})

test('the next try counts down in whole seconds and never below none', () => {
  const at = '2026-01-01T00:00:12.300Z'
  expect([untilMs(at, Date.parse('2026-01-01T00:00:00Z')), untilMs(at, Date.parse('2026-01-01T00:00:20Z'))]).toEqual([13_000, 0])
})

test('a minute behind is late', () => {
  expect([isLate(null), isLate(0), isLate(59.9), isLate(60)]).toEqual([false, false, false, true])
})

test('a problem leads to what it is about, if that is on the page', () => {
  const parts = { sources: [source('/var/log/a.log'), source('host')], sinks: [{ name: 'archive' } as Sink] }
  expect(['file /var/log/a.log', 'host', 'archive', 'store'].map((where) => placeOf(where, parts))).toEqual([
    { source: 'file /var/log/a.log' },
    { source: 'file host' },
    { sink: 'archive' },
    null,
  ])
})

test('a number grows before one\'s eyes until it is huge', () => {
  expect([0, 9_999_999, 12_345_678_901].map(tally)).toEqual(['0', '9,999,999', '12.3B'])
})

test('beside its name a source says its type and service only where the name does not', () => {
  const said = (type: string, name: string, service: string | null = null): string => kindOf({ type, name, service })
  expect([said('file', '/var/log/a.log', 'comfyui'), said('forward', 'forward 127.0.0.1:24224', 'idphoto'), said('gpu', 'gpu:nvidia')]).toEqual(['file · comfyui', 'idphoto', ''])
  expect([said('comfyui', 'http://127.0.0.1:8188', 'comfyui'), said('http', 'http')]).toEqual(['comfyui', ''])
})
