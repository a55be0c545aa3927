/** The pages. One more line here is one more page in the sidebar, the phone's bar and the router. */
import type { Component } from 'svelte'
import type { IconName } from './icons'
import type { Key } from './i18n'

export interface PageEntry {
  path: string
  name: Key
  icon: IconName
  load: () => Promise<{ default: Component }>
}

export const pages: readonly PageEntry[] = [
  { path: '/', name: 'ui.nav.overview', icon: 'overview', load: () => import('../pages/Overview.svelte') },
  { path: '/logs', name: 'ui.nav.logs', icon: 'logs', load: () => import('../pages/Logs.svelte') },
]

/** The page of a path; a slash at the end does not matter. */
export const pageAt = (path: string): PageEntry | undefined =>
  pages.find((page) => page.path === (path.length > 1 ? path.replace(/\/+$/, '') : path))
