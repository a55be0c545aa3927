/** The keys of each page, as the sheet lists them. */
import type { Key } from './i18n'

export type Shortcut = readonly [keys: readonly string[], what: Key]

export const OVERVIEW_KEYS: readonly Shortcut[] = [[['←', '→'], 'ui.keys.chart']]

export const LOGS_KEYS: readonly Shortcut[] = [
  [['/'], 'ui.keys.search'],
  [['j'], 'ui.keys.next'],
  [['k'], 'ui.keys.previous'],
  [['Enter'], 'ui.keys.open'],
  [['l'], 'ui.keys.live'],
  [['←', '→'], 'ui.keys.chart'],
]

export const RUNS_KEYS: readonly Shortcut[] = [
  [['/'], 'ui.keys.search'],
  [['j'], 'ui.runs.keys.next'],
  [['k'], 'ui.runs.keys.previous'],
  [['Enter'], 'ui.runs.keys.open'],
]

export const RUN_KEYS: readonly Shortcut[] = [
  [['/'], 'ui.run.keys.filter'],
  [['j'], 'ui.run.keys.next'],
  [['k'], 'ui.run.keys.previous'],
  [['Enter'], 'ui.run.keys.closer'],
  [['z'], 'ui.run.keys.zoom'],
  [['l'], 'ui.run.keys.logs'],
  [['+', '−', '0'], 'ui.run.keys.graph'],
]

export const ERRORS_KEYS: readonly Shortcut[] = [
  [['/'], 'ui.keys.search'],
  [['j'], 'ui.errors.keys.next'],
  [['k'], 'ui.errors.keys.previous'],
  [['Enter'], 'ui.errors.keys.open'],
]

export const ALERTS_KEYS: readonly Shortcut[] = [
  [['/'], 'ui.keys.search'],
  [['j'], 'ui.alerts.keys.next'],
  [['k'], 'ui.alerts.keys.previous'],
  [['Enter'], 'ui.alerts.keys.open'],
]

export const FRAME_KEYS: readonly Shortcut[] = [
  [['?'], 'ui.keys.help'],
  [['Esc'], 'ui.keys.escape'],
]
