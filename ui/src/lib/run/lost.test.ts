import { describe, expect, it } from 'vitest'
import type { LostEnd } from '../runs'
import { lostStory, lostWhere, type Reading } from './lost'

const NOTHING: Reading = { vram: null, total: null, ram: null }
const end = (more: Partial<LostEnd>): LostEnd => ({ was: 'running', node: null, node_id: null, vram_used_mb: null, ram_used_mb: null, last_seen_at: null, proof: null, ...more })
const told = (more: Partial<LostEnd>, node: string | null = null, last = NOTHING): string[] => lostStory({ lost: end(more), started_at: null }, node, last).told

describe('the end of a lost run', () => {
  it('is told with its node, its proof and the last readings', () => {
    expect(told({ proof: 'oom_killed', ram_used_mb: 32 * 1024 }, 'KSampler', { ...NOTHING, vram: 6 * 1024, total: 24 * 1024 })).toEqual([
      'ComfyUI ended while KSampler was executing.',
      'The kernel killed a process for lack of memory at that time.',
      'Last reading of VRAM: 6.0 GB, 25% of 24.0 GB.',
      'Last reading of memory: 32.0 GB.',
    ])
  })
  it('has no readings where the run only waited', () => {
    expect(told({ was: 'queued', proof: 'ComfyUI was restarted' }, 'KSampler', { ...NOTHING, ram: 512 })).toEqual(['ComfyUI ended while this run was waiting.', 'ComfyUI has been started anew since.'])
  })
  it('does not blame a ComfyUI that goes on', () => {
    expect(told({ proof: 'left the queue and is not in the history' })).toEqual(['It left the queue of ComfyUI without an end, and the history does not know it.'])
  })
  it('keeps a proof that it has no words for', () => {
    expect(told({ proof: 'struck by lightning' })).toContain('What is known: struck by lightning.')
  })
  it('is told from the run alone where nothing was said of it', () => {
    expect(lostStory({ lost: null, started_at: '2026-01-01T00:00:00Z' }, null, NOTHING).told).toEqual([lostWhere('running', null)])
  })
  it('sends the reader to the log of the host only where the cause is not known', () => {
    const advice = (proof: string | null): number => lostStory({ lost: end({ proof }), started_at: null }, null, NOTHING).advice.length
    expect([advice(null), advice('nobody listens on its port'), advice('oom_killed')]).toEqual([2, 2, 1])
  })
})
