/** Real paths through the history API. The URL holds all state of a page. */
import { paramsAt } from './nav'

class Router {
  path = $state(location.pathname)
  search = $state.raw(new URLSearchParams(location.search))
  /** What stands in the place of `:name` in the path of the page, decoded: `id` on `/runs/:id`. */
  readonly params: Readonly<Record<string, string>> = $derived(paramsAt(this.path))

  constructor() {
    addEventListener('popstate', () => this.#read())
    addEventListener('click', (event) => this.#follow(event))
  }

  go(to: string, replace = false): void {
    const url = new URL(to, location.origin)
    if (url.href === location.href) return
    history[replace ? 'replaceState' : 'pushState'](null, '', url)
    this.#read()
  }

  /** Change some parameters of this page; null removes one. */
  set(changes: Record<string, string | null>, replace = false): void {
    const search = new URLSearchParams(location.search)
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === '') search.delete(key)
      else search.set(key, value)
    }
    const text = search.toString()
    this.go(`${location.pathname}${text ? `?${text}` : ''}`, replace)
  }

  #read(): void {
    this.path = location.pathname
    this.search = new URLSearchParams(location.search)
  }

  /** Plain clicks on our own links stay in this page; all others are the browser's. */
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest('a')
    if (!link || link.target || link.origin !== location.origin || link.hasAttribute('download')) return
    if (link.pathname.startsWith('/api/') || link.pathname === '/metrics') return
    event.preventDefault()
    this.go(link.href)
  }
}

export const router = new Router()

/** The address of a page of ours with these parameters. */
export function to(path: string, query: Record<string, string | null | undefined> = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value) search.set(key, value)
  const text = search.toString()
  return text ? `${path}?${text}` : path
}
