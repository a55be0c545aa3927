/** What the reader chose: theme, language, time zone. Without a choice the page follows the system and the browser. */

export type Theme = 'dark' | 'light'
export type Language = 'en' | 'zh-CN'
export type Zone = 'local' | 'utc'

const browser = typeof document !== 'undefined'

function recall(name: string): string | null {
  try {
    return localStorage.getItem(`safelight.${name}`)
  } catch {
    return null // storage may be forbidden
  }
}

function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`safelight.${name}`)
    else localStorage.setItem(`safelight.${name}`, value)
  } catch {
    // the choice then lasts as long as the page
  }
}

const prefersLight = browser ? matchMedia('(prefers-color-scheme: light)') : null
const systemTheme = (): Theme => (prefersLight?.matches ? 'light' : 'dark')
const browserLanguage = (): Language => (browser && /^zh/i.test(navigator.language) ? 'zh-CN' : 'en')

class Prefs {
  theme = $state<Theme>('dark')
  language = $state<Language>('en')
  zone = $state<Zone>('local')

  constructor() {
    if (!browser) return
    this.theme = (recall('theme') as Theme | null) ?? systemTheme()
    this.language = (recall('language') as Language | null) ?? browserLanguage()
    this.zone = recall('zone') === 'utc' ? 'utc' : 'local'
    this.#show()
    prefersLight?.addEventListener('change', () => {
      if (recall('theme') !== null) return
      this.theme = systemTheme()
      this.#show()
    })
  }

  /** The other theme. Back at the system's own, the page follows the system again. */
  toggleTheme(): void {
    this.theme = this.theme === 'dark' ? 'light' : 'dark'
    keep('theme', this.theme === systemTheme() ? null : this.theme)
    this.#show()
  }

  toggleLanguage(): void {
    this.language = this.language === 'en' ? 'zh-CN' : 'en'
    keep('language', this.language === browserLanguage() ? null : this.language)
    this.#show()
  }

  setZone(zone: Zone): void {
    this.zone = zone
    keep('zone', zone === 'local' ? null : zone)
  }

  #show(): void {
    document.documentElement.dataset.theme = this.theme
    document.documentElement.lang = this.language
    const bar = document.querySelector('meta[name=theme-color]')
    bar?.setAttribute('content', this.theme === 'dark' ? '#14110F' : '#F7F4F0')
  }
}

export const prefs = new Prefs()
