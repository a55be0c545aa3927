/** The pages. One more line here is one more page in the router; those with an icon also stand in the sidebar and the phone's bar. */
import type { Component } from 'svelte'
import type { IconName } from './icons'
import { learnAll, type Key } from './i18n'
import { ALERTS_KEYS, ERRORS_KEYS, LOGS_KEYS, OVERVIEW_KEYS, RUN_KEYS, RUNS_KEYS, type Shortcut } from './shortcuts'

export interface PageEntry {
  /** `/runs/:id` takes any one segment in the place of `:id`; it is read from `router.params.id`. */
  path: string
  name: Key
  icon?: IconName
  /** On a phone it stands in the sheet behind "More": the bar is full. */
  tucked?: boolean
  /** The page of the sidebar that this one belongs to. */
  under?: string
  keys: readonly Shortcut[]
  load: () => Promise<{ default: Component }>
}

/** A page that says words which are kept apart. */
async function wordy(page: Promise<{ default: Component }>): Promise<{ default: Component }> {
  await learnAll()
  return page
}

const settings = (): Promise<{ default: Component }> => wordy(import('../pages/Settings.svelte'))

export const pages: readonly PageEntry[] = [
  { path: '/', name: 'ui.nav.overview', icon: 'overview', keys: OVERVIEW_KEYS, load: () => wordy(import('../pages/Overview.svelte')) },
  { path: '/runs', name: 'ui.nav.runs', icon: 'run', keys: RUNS_KEYS, load: () => import('../pages/Runs.svelte') },
  { path: '/runs/:id', name: 'ui.nav.run', under: '/runs', keys: RUN_KEYS, load: () => import('../pages/Run.svelte') },
  { path: '/errors', name: 'ui.nav.errors', icon: 'alert', keys: ERRORS_KEYS, load: () => import('../pages/Errors.svelte') },
  { path: '/errors/:group', name: 'ui.nav.error', under: '/errors', keys: [], load: () => import('../pages/ErrorGroup.svelte') },
  { path: '/alerts', name: 'ui.nav.alerts', icon: 'bell', keys: ALERTS_KEYS, load: () => import('../pages/Alerts.svelte') },
  { path: '/alerts/:id', name: 'ui.nav.alert', under: '/alerts', keys: [], load: () => import('../pages/Alert.svelte') },
  { path: '/logs', name: 'ui.nav.logs', icon: 'logs', keys: LOGS_KEYS, load: () => import('../pages/Logs.svelte') },
  { path: '/settings', name: 'ui.nav.settings', icon: 'rules', tucked: true, keys: [], load: settings },
  { path: '/settings/pipeline', name: 'ui.nav.pipeline', under: '/settings', keys: [], load: settings },
]

/** The parameters of a path that a pattern fits, decoded; null where it does not. A slash at the end does not matter. */
export function matched(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/')
  const given = (path.length > 1 ? path.replace(/\/+$/, '') : path).split('/')
  if (wanted.length !== given.length) return null
  const params: Record<string, string> = {}
  for (const [index, part] of wanted.entries()) {
    const value = given[index]!
    if (!part.startsWith(':')) {
      if (part !== value) return null
      continue
    }
    if (!value) return null
    try {
      params[part.slice(1)] = decodeURIComponent(value)
    } catch {
      return null
    }
  }
  return params
}

export const pageAt = (path: string): PageEntry | undefined => pages.find((page) => matched(page.path, path))

export const paramsAt = (path: string): Record<string, string> => matched(pageAt(path)?.path ?? '', path) ?? {}
