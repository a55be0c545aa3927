/** Words of the page. Keys are typed: one that either language lacks does not compile. One language is loaded at a time. */
import type en from '../../../src/safelight/locales/en.json'
import type zh from '../../../src/safelight/locales/zh-CN.json'
import { prefs, type Language } from './prefs.svelte'

type Ours<T> = Extract<keyof T, `ui.${string}`>
export type Key = Ours<typeof en> & Ours<typeof zh>
/** Stems of the keys that come in a singular and a plural: `stem.one` and `stem.other`. */
export type Stem = Key extends infer K ? (K extends `${infer S}.other` ? S : never) : never
export type Values = Record<string, string | number>
type Words = Record<Key, string>

// Both directions: each line fails to compile when its language lacks a key that the other one has.
const load: Record<Language, () => Promise<{ default: Words }>> = {
  en: (): Promise<{ default: Record<Ours<typeof zh>, string> }> => import('../../../src/safelight/locales/en.json'),
  'zh-CN': (): Promise<{ default: Record<Ours<typeof en>, string> }> => import('../../../src/safelight/locales/zh-CN.json'),
}
const loadApart: Record<Language, () => Promise<{ default: Partial<Words> }>> = {
  en: () => import('../../../src/safelight/locales/en.json?apart'),
  'zh-CN': () => import('../../../src/safelight/locales/zh-CN.json?apart'),
}
const words: Partial<Record<Language, Words>> = {}
const complete = new Set<Language>()
let all = false

/** Have the words of a language at hand: before the first one is said, and before the language changes. */
export async function learn(language: Language): Promise<void> {
  words[language] ??= { ...(await load[language]()).default }
  if (all && !complete.has(language)) {
    Object.assign(words[language], (await loadApart[language]()).default)
    complete.add(language)
  }
}

/** The words that are kept apart too, from now on: see `vite.config.ts`. */
export async function learnAll(): Promise<void> {
  all = true
  await learn(prefs.language)
}

/** The page in the other language. */
export async function toggleLanguage(): Promise<void> {
  await learn(prefs.language === 'en' ? 'zh-CN' : 'en')
  prefs.toggleLanguage()
}

const spoken = (): Words => words[prefs.language]!

export function fill(sentence: string, values: Values): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** The sentence behind `key` in the reader's language. Reactive where it is read in a component. */
export function t(key: Key, values?: Values): string {
  const sentence = spoken()[key]
  return values ? fill(sentence, values) : sentence
}

/** The singular or plural sentence for `n`, which fills `{n}` as a grouped number. */
export function tn(stem: Stem, n: number, values: Values = {}): string {
  const form = new Intl.PluralRules(prefs.language).select(n) === 'one' ? 'one' : 'other'
  return t(`${stem}.${form}` as Key, { n: new Intl.NumberFormat(prefs.language).format(n), ...values })
}

/** Whether `key` is a word that we have: for keys built from data, such as the name of a level. */
export function has(key: string): key is Key {
  return key in spoken()
}

/** A level as people say it; one that is not ours as it came. */
export function levelName(level: string | undefined): string {
  const key = `ui.level.${level || 'none'}`
  return has(key) ? t(key) : (level ?? '')
}
