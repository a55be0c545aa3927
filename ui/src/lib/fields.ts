/** What the query language knows by name: for the completion list and for showing an event. */

/** Fields of the data contract, in the order in which an opened event shows them. */
export const FIELDS = [
  'timestamp', 'level', 'event', 'message', 'service', 'instance', 'environment', 'host', 'workflow_id', 'workflow_name',
  'node', 'node_id', 'user_id', 'duration_ms', 'vram_used_mb', 'vram_peak_mb', 'ram_used_mb', 'error_type',
  'error_message', 'error_group', 'traceback', 'request_id', 'trace_id', 'span_id', 'graph_hash', 'tag', 'source',
  'received_at', 'parse_error', 'raw', 'attributes', 'id',
] as const

export const EVENT_NAMES = [
  'run_queued', 'run_started', 'run_finished', 'run_failed', 'run_interrupted', 'run_rejected', 'run_lost',
  'node_started', 'node_finished', 'node_cached', 'node_failed', 'model_loaded', 'output_saved', 'resources_sampled',
  'image_uploaded', 'image_processed', 'processing_failed', 'alert_fired', 'alert_resolved', 'notification_sent',
  'notification_failed',
] as const

/** Times and long texts: to be searched, not to be listed. */
const UNLISTED = new Set(['timestamp', 'received_at', 'message', 'traceback', 'raw', 'id', 'error_message'])
export const isListed = (field: string): boolean => !UNLISTED.has(field)
