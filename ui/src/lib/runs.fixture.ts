/** A run for tests: what they do not name is as little as can be. */
import type { Run } from './runs'

export const run = (id: string, more: Partial<Run> = {}): Run => ({
  id,
  state: 'finished',
  workflow_name: null,
  graph_hash: null,
  instance: 'gpu-1',
  service: 'comfyui',
  user_id: null,
  host: null,
  queued_at: '2026-01-01T00:00:00Z',
  started_at: '2026-01-01T00:00:20Z',
  ended_at: null,
  queue_ms: null,
  duration_ms: null,
  nodes: { total: null, finished: 0, cached: 0, failed: 0 },
  vram_peak_mb: null,
  ram_peak_mb: null,
  outputs: 0,
  error: null,
  current: null,
  usual_ms: null,
  replay_of: null,
  ...more,
})
