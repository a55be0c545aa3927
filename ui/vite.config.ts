import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

/** Words that only one page says: it fetches them, the first load of the others goes without. */
const APART = ['ui.pipeline.', 'ui.empty.']

/** Small modules that most pages use: one file. */
const COMMON = /\/src\/lib\/(clipboard|deed\.svelte|firing\.svelte|keys|refusal|text|toast\.svelte)\.ts$/

/** The catalogues serve the server and the command line too: the page ships its own words only. */
function ownWordsOnly(): Plugin {
  return {
    name: 'own-words-only',
    enforce: 'pre',
    transform(code, id) {
      const catalogue = /\/locales\/[\w-]+\.json(\?apart)?$/.exec(id)
      if (!catalogue) return null
      const apart = catalogue[1] !== undefined
      const words = Object.entries(JSON.parse(code) as Record<string, string>)
      const ours = words.filter(([key]) => key.startsWith('ui.') && APART.some((stem) => key.startsWith(stem)) === apart)
      const json = JSON.stringify(Object.fromEntries(ours))
      // With a query it is JSON no longer to the bundler, which goes by the end of the name.
      return apart ? { code: `export default ${json}`, map: null, moduleType: 'js' } : { code: json, map: null }
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
    // A file of its own costs some 100 bytes and a request: without this, the first load of a run is 6 files and
    // 0.8 KB more.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'common', test: COMMON }] } } },
  },
  server: {
    fs: { allow: ['..'] },
    proxy: { '/api': process.env.SAFELIGHT_URL ?? 'http://127.0.0.1:8678' },
  },
  test: { include: ['src/**/*.test.ts'], setupFiles: ['src/lib/words.setup.ts'] },
} as Parameters<typeof defineConfig>[0])
