/** Who held the memory at a failure, as bars that add up to what there is. */

export type Holder = 'model' | 'working' | 'cache' | 'others' | 'process' | 'free'

export interface Part {
  holder: Holder
  /** The name of a model. */
  name: string | null
  mb: number
  /** A model that ComfyUI was using just then; one that is not could have left. */
  inUse: boolean
}

export interface Process {
  pid: number
  mb: number
  own: boolean
}

export interface Ledger {
  /** "cuda:0 NVIDIA GeForce RTX 4090", or "cpu". */
  device: string | null
  /** Of the GPU, else of the machine. */
  gpu: boolean
  total: number | null
  parts: Part[]
  /** The most that torch had allocated since the node began. */
  torchPeak: number | null
  processes: Process[]
}

/** Parts below this are not worth a line. */
const LEAST_MB = 1

type Json = Record<string, unknown>

const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null)
const records = (value: unknown): Json[] => (Array.isArray(value) ? value.filter((each): each is Json => typeof each === 'object' && each !== null) : [])

export function ledgerOf(told: Json | null): Ledger | null {
  if (!told) return null
  const device = typeof told.device === 'string' ? told.device : null
  const used = number(told.device_used_mb)
  const gpu = used !== null
  const ram = number(told.ram_used_mb)
  const models: Part[] = records(told.models).flatMap((each) => {
    const mb = number(each.loaded_mb) ?? number(each.model_mb)
    const away = gpu && typeof each.device === 'string' && /^cpu/.test(each.device)
    return mb === null || mb < LEAST_MB || away ? [] : [{ holder: 'model' as const, name: String(each.model ?? ''), mb, inUse: each.in_use === true }]
  })
  models.sort((a, b) => b.mb - a.mb)
  const held = models.reduce((sum, each) => sum + each.mb, 0)
  const part = (holder: Holder, mb: number | null): Part[] => (mb === null || mb < LEAST_MB ? [] : [{ holder, name: null, mb, inUse: true }])
  const parts = gpu ? deviceParts(told, used, held, part) : [...part('process', ram === null ? null : ram - held), ...part('free', number(told.ram_free_mb))]
  const all = [...models, ...parts]
  if (!all.length) return null
  const processes = records(told.processes).flatMap((each) => {
    const [pid, mb] = [number(each.pid), number(each.used_mb)]
    return pid === null || mb === null ? [] : [{ pid, mb, own: each.own === true }]
  })
  return { device, gpu, total: number(gpu ? told.device_total_mb : told.ram_total_mb), parts: all, torchPeak: number(told.torch_peak_mb), processes }
}

function deviceParts(told: Json, used: number, held: number, part: (holder: Holder, mb: number | null) => Part[]): Part[] {
  const allocated = number(told.torch_allocated_mb)
  const reserved = number(told.torch_reserved_mb)
  const others = number(told.others_mb) ?? (reserved === null ? null : used - reserved)
  return [
    ...part('working', allocated === null ? (reserved === null ? used - held : null) : allocated - held),
    ...part('cache', allocated === null || reserved === null ? null : reserved - allocated),
    ...part('others', others),
    ...part('free', number(told.device_free_mb)),
  ]
}
