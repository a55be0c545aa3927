import { describe, expect, it } from 'vitest'
import type { HistogramData, LogEvent } from './api'
import { anchorsOf, MOST_ROWS, PAGE, Paging, type Page } from './paging'

const STEP = 60_000
const START = Date.parse('2026-01-01T00:00:00Z')
const iso = (ms: number): string => new Date(ms).toISOString()

/** A server with these many events in each minute, newest first by number. */
function server(perMinute: number[]) {
  const events: LogEvent[] = []
  perMinute.forEach((n, minute) => {
    for (let k = 0; k < n; k++)
      events.push({ id: `${minute}-${k}`, timestamp: iso(START + minute * STEP + Math.floor((k / n) * (STEP - 1))) })
  })
  events.reverse()
  const histogram: HistogramData = {
    from: iso(START),
    to: iso(START + perMinute.length * STEP),
    step_ms: STEP,
    buckets: perMinute.map((n, i) => ({ at: iso(START + i * STEP), counts: (n ? { INFO: n } : {}) as Record<string, number> })),
    total: events.length,
    took_ms: 1,
  }
  const requests: [string, string | null, number][] = []
  function fetch(to: string, cursor: string | null, limit: number): Promise<Page> {
    requests.push([to, cursor, limit])
    const from = cursor ? Number(cursor) : events.findIndex((e) => e.timestamp < to)
    const page = from < 0 ? [] : events.slice(from, from + limit)
    const more = from >= 0 && from + limit < events.length
    return Promise.resolve({ events: page, cursor: more ? String(from + limit) : null })
  }
  return { events, histogram, requests, fetch }
}

async function open(perMinute: number[]) {
  const s = server(perMinute)
  const paging = new Paging(s.histogram.to, await s.fetch(s.histogram.to, null, PAGE), s.fetch, () => undefined)
  return { ...s, paging }
}

const settle = () => new Promise((done) => setTimeout(done))

async function show(paging: Paging, from: number, to: number) {
  for (let i = 0; i < 4; i++) {
    paging.want(from, to)
    await settle()
  }
}

describe('Paging', () => {
  it('gives every row its place, wherever the reader jumps', async () => {
    const { events, paging, histogram } = await open(Array.from({ length: 60 }, (_, i) => (i * 137) % 900))
    paging.place(histogram)
    expect(paging.length).toBe(events.length)
    for (const at of [0, 150, 390, 5000, 12_345, events.length - 60, 399, events.length - 1]) {
      const to = Math.min(at + 60, events.length)
      await show(paging, at, to)
      for (let i = at; i < to; i++) expect(paging.row(i)?.id).toBe(events[i]!.id)
    }
  })
  it('reaches the oldest row of a hundred thousand in few requests', async () => {
    const { events, paging, histogram, requests } = await open(Array.from({ length: 60 }, () => 1700))
    paging.place(histogram)
    const before = requests.length
    expect(paging.length).toBe(MOST_ROWS)
    await show(paging, MOST_ROWS - 50, MOST_ROWS)
    expect(paging.row(MOST_ROWS - 1)?.id).toBe(events[MOST_ROWS - 1]!.id)
    expect(requests.length - before).toBeLessThanOrEqual(2)
  })
  it('goes page by page before it knows how many there are', async () => {
    const { events, paging } = await open([250, 300])
    expect(paging.length).toBe(200)
    await show(paging, 180, 200)
    await show(paging, 380, 400)
    expect(paging.length).toBe(550)
    expect(paging.row(549)?.id).toBe(events[549]!.id)
  })
  it('forgets what was not looked at for long, and fetches it again', async () => {
    const { events, paging, histogram } = await open(Array.from({ length: 60 }, () => 1000))
    paging.place(histogram)
    for (let at = 0; at < 40_000; at += 200) await show(paging, at, at + 60)
    expect(paging.loaded().length).toBeLessThan(20_000)
    await show(paging, 0, 60)
    expect(paging.row(0)?.id).toBe(events[0]!.id)
  }, 20_000)
  it('starts no chains where buckets are small', () => {
    const { histogram } = server(Array.from({ length: 60 }, () => 5))
    expect(anchorsOf(histogram, histogram.to)).toHaveLength(1)
  })
})
