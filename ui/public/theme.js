// Runs before the first paint, so that nobody is dazzled: choices are kept by src/lib/prefs.svelte.ts.
;(function () {
  var root = document.documentElement
  var kept = {}
  try {
    kept = { theme: localStorage.getItem('safelight.theme'), language: localStorage.getItem('safelight.language') }
  } catch (refused) {
    // Storage may be forbidden: then the page follows the system.
  }
  root.dataset.theme = kept.theme || (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark')
  root.lang = kept.language || (/^zh/i.test(navigator.language) ? 'zh-CN' : 'en')
})()
