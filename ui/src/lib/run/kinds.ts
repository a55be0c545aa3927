/** The colour a node and a wire have in every picture of a run: that of the thing they make, as in ComfyUI's slots. */
export const KINDS = ['loader', 'cond', 'sampler', 'latent', 'image', 'output', 'other'] as const
export type Kind = (typeof KINDS)[number]

/** In this order: `VAEDecode` makes an image although VAE is a model, `SaveLatent` is an output although it names a latent. */
const RULES: readonly [RegExp, Kind][] = [
  [/^(save|preview|show|display|export|send|upload)|(save|preview|output|websocket)(image|video|audio|latent|any)?\b/i, 'output'],
  [/vae_?encode|encode.*inpaint/i, 'latent'],
  [/vae_?decode/i, 'image'],
  [/ksampler|sampler|detailer|scheduler|guider|sigmas|noise(?!.*image)|denoise/i, 'sampler'],
  [/latent/i, 'latent'],
  [/clip_?text|textencode|conditioning|prompt|controlnet_?apply|apply_?(control|ip_?adapter|style)|unclip|flux_?guidance/i, 'cond'],
  [/^load(image|mask|video|audio)/i, 'image'],
  [/^image|upscaleimage/i, 'image'],
  [/load|checkpoint|lora|unet|clip_?set|clip_?vision|vae|control_?net|model/i, 'loader'],
  [/image|mask|upscale|video|pixel|crop|resize|canny|depth|pose|blend|face|segment/i, 'image'],
]

export function kindOf(node: string | null | undefined): Kind {
  if (!node) return 'other'
  return RULES.find(([pattern]) => pattern.test(node))?.[1] ?? 'other'
}

const WIRES: Record<string, Kind> = {
  MODEL: 'loader',
  CLIP: 'loader',
  VAE: 'loader',
  CONTROL_NET: 'loader',
  UPSCALE_MODEL: 'loader',
  CLIP_VISION: 'loader',
  CONDITIONING: 'cond',
  SAMPLER: 'sampler',
  SIGMAS: 'sampler',
  NOISE: 'sampler',
  GUIDER: 'sampler',
  LATENT: 'latent',
  IMAGE: 'image',
  MASK: 'image',
}

/** A wire without a type has the colour of the node it leaves. */
export const wireKind = (type: string | null, from: string | null | undefined): Kind => WIRES[type ?? ''] ?? (type ? 'other' : kindOf(from))
