import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import en from '../../../src/safelight/locales/en.json'
import zh from '../../../src/safelight/locales/zh-CN.json'
import { ago, bytes, duration, memory, percent, rate, roughly } from './format'
import { fill, t, tn } from './i18n'
import { prefs } from './prefs.svelte'

const placeholders = (sentence: string): string[] => (sentence.match(/\{\w+\}/g) ?? []).sort()

describe('words', () => {
  it('ship without those of the server', () => {
    expect(Object.keys(en).every((key) => key.startsWith('ui.'))).toBe(true)
  })
  it('have the same placeholders in both languages', () => {
    const chinese = zh as Record<string, string>
    for (const [key, sentence] of Object.entries(en)) expect([key, placeholders(chinese[key]!)]).toEqual([key, placeholders(sentence)])
  })
  it('are all in use', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf-8' }).filter((name) => /\.(svelte|ts)$/.test(name))
    const source = files.filter((name) => !name.endsWith('.test.ts')).map((name) => readFileSync(`src/${name}`, 'utf-8')).join('\n')
    const stems = [...source.matchAll(/`(ui\.[\w.]+)\$\{/g)].map((found) => found[1]!)
    const unused = Object.keys(en).filter((key) => {
      const named = source.includes(`'${key}'`) || source.includes(`'${key.replace(/\.(one|other)$/, '')}'`)
      return !named && !stems.some((stem) => key.startsWith(stem))
    })
    expect(unused).toEqual([])
  })
  it('fill their placeholders, and leave values alone', () => {
    expect(fill('{a} of {b}', { a: '{b}', b: 2 })).toBe('{b} of 2')
    expect(fill('{missing}', {})).toBe('{missing}')
  })
  it('follow the language and count', () => {
    expect([tn('ui.logs.count', 1), tn('ui.logs.count', 1234)]).toEqual(['1 event', '1,234 events'])
    prefs.language = 'zh-CN'
    expect([t('ui.nav.logs'), tn('ui.logs.count', 1)]).toEqual(['日志', '1 条事件'])
    prefs.language = 'en'
  })
})

describe('figures', () => {
  it('are written in the unit a person would choose', () => {
    expect([duration(0.4), duration(842), duration(9164), duration(61_000), duration(7_260_000)]).toEqual([
      '0.4ms', '842ms', '9.16s', '1m 1s', '2h 1m',
    ])
    expect([memory(4), memory(512), memory(24_576), memory(131_072)]).toEqual(['4.0 MB', '512 MB', '24.0 GB', '128 GB'])
    expect([roughly(1), roughly(42_000), roughly(58_000), roughly(400_000), roughly(7_900_000)]).toEqual(['5s', '45s', '1m', '7m', '2h 10m'])
    expect([bytes(999), bytes(17_400_000), bytes(2.5e9)]).toEqual(['999B', '17.4MB', '2.5GB'])
    expect([percent(0.034), percent(0.5), percent(0)]).toEqual(['3.4%', '50%', '0%'])
    expect([rate(3600, 60), rate(30, 60), rate(1, 1440)]).toEqual([
      { per: 'minute', n: '60' },
      { per: 'hour', n: '30' },
      { per: 'day', n: '1' },
    ])
    expect(ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:05:30Z'))).toBe('5 min. ago')
  })
})
