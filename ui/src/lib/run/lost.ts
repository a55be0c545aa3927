/** What is known of the end of a lost run, in the reader's language. */
import { memory, percent } from '../format'
import { t, type Key } from '../i18n'
import { oneLine } from '../text'
import type { RunDetail } from '../runs'

/** The server names an event; the watcher of ComfyUI says in English what it saw. */
const PROOFS: Record<string, Key> = {
  oom_killed: 'ui.lost.oom_killed',
  'ComfyUI was restarted': 'ui.lost.restarted',
  'nobody listens on its port': 'ui.lost.nobody_listens',
  'left the queue and is not in the history': 'ui.lost.vanished',
}
/** These say why it ended, or that nothing did. */
const EXPLAINED: ReadonlySet<Key | undefined> = new Set<Key>(['ui.lost.oom_killed', 'ui.lost.vanished'])

/** Where it was when ComfyUI ended. */
export function lostWhere(was: 'queued' | 'running', node: string | null): string {
  if (node) return t('ui.lost.in_node', { node })
  return t(was === 'queued' ? 'ui.lost.queued' : 'ui.lost.running')
}

export interface Reading {
  vram: number | null
  /** Of the GPU. */
  total: number | null
  ram: number | null
}

function readings({ vram, total, ram }: Reading): string[] {
  const share = vram !== null && total ? t('ui.lost.share', { share: percent(vram / total), total: memory(total) }) : ''
  return [
    vram === null ? '' : t('ui.lost.vram', { memory: memory(vram), share }),
    ram === null ? '' : t('ui.lost.ram', { memory: memory(ram) }),
  ]
}

/** `node` is what the page calls the node that was executing; `last` are the last readings. */
export function lostStory(run: Pick<RunDetail, 'lost' | 'started_at'>, node: string | null, last: Reading): { told: string[]; advice: string[] } {
  const { lost } = run
  const proof = lost?.proof ? PROOFS[lost.proof] : undefined
  const was = lost?.was ?? (run.started_at ? 'running' : 'queued')
  const told = [
    // ComfyUI did not end: only the run is gone.
    proof === 'ui.lost.vanished' ? '' : lostWhere(was, was === 'running' ? node : null),
    proof ? t(proof) : lost?.proof ? t('ui.lost.proof', { proof: oneLine(lost.proof) }) : '',
    ...(was === 'running' ? readings({ vram: lost?.vram_used_mb ?? last.vram, total: last.total, ram: lost?.ram_used_mb ?? last.ram }) : []),
  ]
  const advice = [t('ui.lost.replay'), EXPLAINED.has(proof) ? '' : t('ui.lost.look')]
  return { told: told.filter(Boolean), advice: advice.filter(Boolean) }
}
