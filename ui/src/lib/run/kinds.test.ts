import { describe, expect, it } from 'vitest'
import { kindOf, wireKind } from './kinds'

describe('the kind of a node', () => {
  it.each([
    ['CheckpointLoaderSimple', 'loader'],
    ['LoraLoader', 'loader'],
    ['ControlNetLoader', 'loader'],
    ['UpscaleModelLoader', 'loader'],
    ['CLIPTextEncode', 'cond'],
    ['ControlNetApplyAdvanced', 'cond'],
    ['KSampler', 'sampler'],
    ['SamplerCustomAdvanced', 'sampler'],
    ['FaceDetailer', 'sampler'],
    ['EmptyLatentImage', 'latent'],
    ['LatentUpscaleBy', 'latent'],
    ['VAEEncode', 'latent'],
    ['VAEDecodeTiled', 'image'],
    ['LoadImage', 'image'],
    ['ImageUpscaleWithModel', 'image'],
    ['SaveImage', 'output'],
    ['PreviewImage', 'output'],
    ['SomethingElse', 'other'],
  ])('of %s is %s', (node, kind) => {
    expect(kindOf(node)).toBe(kind)
  })
  it('is "other" for a node without a class', () => {
    expect([kindOf(null), kindOf('')]).toEqual(['other', 'other'])
  })
})

describe('the kind of a wire', () => {
  it('is that of its type, else that of the node it leaves', () => {
    expect([wireKind('LATENT', 'VAEDecode'), wireKind(null, 'LoadImage'), wireKind('STRING', 'LoadImage')]).toEqual(['latent', 'image', 'other'])
  })
})
