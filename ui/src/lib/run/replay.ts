/** The same prompt once more. */
import { post } from '../api'

export interface Replayed {
  run_id: string
  /** The ComfyUI that took it. */
  to: string
}

/** `to` is the address of a ComfyUI; null is the instance that had it. Raises Problem and Unreachable. */
export const replay = (id: string, to: string | null): Promise<Replayed> => post(`/runs/${encodeURIComponent(id)}/replay`, { to })
