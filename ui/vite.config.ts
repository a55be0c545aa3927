import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

/** The catalogues serve the server and the command line too: the page ships its own words only. */
function ownWordsOnly(): Plugin {
  return {
    name: 'own-words-only',
    enforce: 'pre',
    transform(code, id) {
      if (!/\/locales\/[\w-]+\.json$/.test(id)) return null
      const words = Object.entries(JSON.parse(code) as Record<string, string>)
      return { code: JSON.stringify(Object.fromEntries(words.filter(([key]) => key.startsWith('ui.')))), map: null }
    },
  }
}

export default defineConfig({
  plugins: [ownWordsOnly(), svelte({ configFile: false })],
  build: {
    outDir: '../src/safelight/web/page',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the content security policy allows no data: addresses
    modulePreload: { polyfill: false },
  },
  server: {
    fs: { allow: ['..'] },
    proxy: { '/api': process.env.SAFELIGHT_URL ?? 'http://127.0.0.1:8678' },
  },
  test: { include: ['src/**/*.test.ts'], setupFiles: ['src/lib/words.setup.ts'] },
} as Parameters<typeof defineConfig>[0])
