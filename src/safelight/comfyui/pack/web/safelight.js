// Safelight's tab in ComfyUI's sidebar: how the pack fares, what runs, what failed last.
// Older frontends have no tabs; then nothing is added.
import { api } from '../../scripts/api.js'
import { app } from '../../scripts/app.js'

const EVERY_MS = 2000

const WORDS = {
  en: {
    tooltip: 'Safelight: runs and failures',
    open: 'Open Safelight',
    watching: 'Watching',
    instance: 'as {name}',
    cannotWrite: 'Cannot write its events',
    cannotWriteHow: 'ComfyUI is not affected. The last error: {error}',
    dropped: '{count} events were dropped',
    droppedHow: 'They could not be written in time. Searching in Safelight for events_dropped says when.',
    dead: "ComfyUI's worker has ended",
    deadHow: 'Nothing in the queue will run any more. Restart ComfyUI.',
    away: 'No answer from ComfyUI',
    awayHow: 'This page asks again every few seconds.',
    missing: '{count} of its hooks failed',
    missingHow: 'Some things are not told: {names}.',
    running: 'Running',
    idle: 'Nothing is running.',
    failures: 'Last failures',
    none: 'None since ComfyUI was started.',
    rejected: 'Rejected before it ran',
    run: 'Run',
    written: '{count} events written',
  },
  zh: {
    tooltip: 'Safelight：运行与失败',
    open: '打开 Safelight',
    watching: '正在记录',
    instance: '实例 {name}',
    cannotWrite: '事件无法写入',
    cannotWriteHow: 'ComfyUI 不受影响。最近一次错误：{error}',
    dropped: '已丢弃 {count} 条事件',
    droppedHow: '这些事件来不及写入。在 Safelight 中搜索 events_dropped 可以看到时间。',
    dead: 'ComfyUI 的执行线程已退出',
    deadHow: '队列里的任务不会再执行，请重启 ComfyUI。',
    away: 'ComfyUI 没有响应',
    awayHow: '本页每隔几秒会重试一次。',
    missing: '有 {count} 个挂钩出错',
    missingHow: '部分内容没有记录：{names}。',
    running: '正在运行',
    idle: '当前没有任务在运行。',
    failures: '最近的失败',
    none: 'ComfyUI 启动以来没有失败。',
    rejected: '提交时被拒绝',
    run: '运行',
    written: '已写入 {count} 条事件',
  },
}

const STYLE = `
.safelight { display: flex; flex-direction: column; gap: 20px; height: 100%; overflow-y: auto; padding: 16px; color: var(--fg-color, #ddd); font-size: 13px; line-height: 1.5; }
.safelight h3 { margin: 0 0 8px; font-size: 12px; font-weight: 600; color: var(--descrip-text, #999); }
.safelight p { margin: 0; overflow-wrap: anywhere; }
.safelight small { font-size: 12px; color: var(--descrip-text, #999); }
.safelight ul { margin: 0; padding: 0; list-style: none; display: flex; flex-direction: column; gap: 8px; }
.safelight .state { display: flex; gap: 10px; align-items: baseline; }
.safelight .lamp { flex: none; width: 10px; height: 10px; border-radius: 50%; background: #63cb8e; }
.safelight .lamp.bad { background: #e4472b; }
.safelight .lamp.warn { background: #efb03a; }
.safelight .failure { display: block; padding: 10px 12px; border: 1px solid var(--border-color, #444); border-radius: 8px; color: inherit; text-decoration: none; }
.safelight a.failure:hover, .safelight a.failure:focus-visible { background: var(--comfy-input-bg, #333); }
.safelight .failure div { display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: 12px; }
.safelight .failure b { min-width: 0; overflow-wrap: anywhere; }
.safelight .failure small { white-space: nowrap; }
.safelight .failure p { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.safelight .open { align-self: flex-start; padding: 6px 14px; border: 1px solid var(--border-color, #444); border-radius: 6px; color: inherit; text-decoration: none; }
.safelight .open:hover { background: var(--comfy-input-bg, #333); }
`

function language() {
  let chosen
  try {
    chosen = app.extensionManager?.setting?.get?.('Comfy.Locale')
  } catch {
    // A frontend without that setting: the browser's language then.
  }
  return String(chosen || navigator.language).startsWith('zh') ? 'zh' : 'en'
}

function say(key, values = {}) {
  return WORDS[language()][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''))
}

// What is shown comes from logs: it is only ever set as text.
function element(tag, className, ...children) {
  const made = document.createElement(tag)
  if (className) made.className = className
  made.append(...children.filter((child) => child !== null))
  return made
}

function link(href, className, ...children) {
  const made = element(href ? 'a' : 'div', className, ...children)
  if (href) Object.assign(made, { href, target: '_blank', rel: 'noopener' })
  return made
}

function condition(state) {
  if (!state) return ['bad', say('away'), say('awayHow')]
  const { failing, last_error: error, dropped } = state.health
  if (state.worker_alive === false) return ['bad', say('dead'), say('deadHow')]
  if (failing) return ['bad', say('cannotWrite'), say('cannotWriteHow', { error: error ?? '' })]
  if (dropped) return ['warn', say('dropped', { count: dropped }), say('droppedHow')]
  const names = Object.keys(state.mistakes ?? {})
  if (names.length) return ['warn', say('missing', { count: names.length }), say('missingHow', { names: names.join(', ') })]
  return ['', say('watching'), say('written', { count: state.health.written })]
}

function runPage(state, id) {
  return state.url && id ? `${state.url.replace(/\/+$/, '')}/runs/${encodeURIComponent(id)}` : null
}

function named({ node, node_id: id }) {
  return id ? `${node} #${id}` : node
}

function running(run) {
  if (!run) return say('idle')
  return run.nodes?.length ? run.nodes.map(named).join(', ') : run.workflow_id
}

function failureItem(state, failure) {
  const title = failure.node ? named(failure) : say(failure.event === 'run_rejected' ? 'rejected' : 'run')
  const at = new Date(failure.at).toLocaleTimeString(language() === 'zh' ? 'zh-CN' : 'en')
  const text = [failure.error_type, failure.message].filter(Boolean).join(': ')
  return element(
    'li',
    '',
    link(runPage(state, failure.workflow_id), 'failure', element('div', '', element('b', '', title), element('small', '', at)), element('p', '', text)),
  )
}

function show(root, state) {
  const [lamp, title, detail] = condition(state)
  const name = !lamp && state.instance ? say('instance', { name: state.instance }) : ''
  const children = [
    element(
      'div',
      'state',
      element('span', `lamp ${lamp}`),
      element('div', '', element('p', '', element('b', '', title), name ? ` ${name}` : ''), element('small', '', detail)),
    ),
  ]
  if (state) {
    children.push(element('section', '', element('h3', '', say('running')), element('p', '', running(state.run))))
    const failures = state.failures.length
      ? element('ul', '', ...state.failures.map((failure) => failureItem(state, failure)))
      : element('p', '', say('none'))
    children.push(element('section', '', element('h3', '', say('failures')), failures))
    if (state.url) children.push(link(state.url, 'open', say('open')))
  }
  root.replaceChildren(element('style', '', STYLE), ...children)
}

let timer

async function refresh(root) {
  let state = null
  try {
    const answer = await api.fetchApi('/safelight/state')
    if (answer.ok) state = await answer.json()
  } catch {
    // Shown as "No answer".
  }
  const key = JSON.stringify([state, language()])
  if (root.isConnected && root.dataset.shown !== key) {
    root.dataset.shown = key
    show(root, state)
  }
}

app.registerExtension({
  name: 'safelight.sidebar',
  setup() {
    app.extensionManager?.registerSidebarTab?.({
      id: 'safelight',
      icon: 'pi pi-wave-pulse',
      title: 'Safelight',
      tooltip: say('tooltip'),
      type: 'custom',
      render(container) {
        const root = element('div', 'safelight')
        container.replaceChildren(root)
        clearInterval(timer)
        refresh(root)
        timer = setInterval(() => (root.isConnected ? refresh(root) : clearInterval(timer)), EVERY_MS)
      },
      destroy() {
        clearInterval(timer)
      },
    })
  },
})
