import { describe, expect, it, vi } from 'vitest'
import { filterOf, heights, isFiltered, isOwn, ordered, orderOf, servicesOf, subjectOf, type ErrorGroup } from './errors'

vi.mock('./router.svelte', () => ({ to: (path: string) => path }))

const group = (name: string, more: Partial<ErrorGroup> = {}): ErrorGroup => ({
  group: name, family: null, known: false, title: name, error_type: null, message: null, nodes: [], services: ['comfyui'], instances: [],
  count: 1, runs: 1, users: 1, first_seen: '2026-11-01T00:00:00Z', last_seen: '2026-11-02T00:00:00Z', new: false, back: false,
  sparkline: [], advice: null, blame: null, ...more,
})

describe('what the reader asks for', () => {
  it('is in the address', () => {
    const search = new URLSearchParams('q=oom&family=gpu_oom&service=comfyui&order=last')
    expect(filterOf(search)).toEqual({ q: 'oom', family: 'gpu_oom', service: 'comfyui' })
    expect(orderOf(search)).toBe('last')
    expect(orderOf(new URLSearchParams('order=odd'))).toBe('count')
  })

  it('is a filter as soon as one thing is asked for', () => {
    expect(isFiltered(filterOf(new URLSearchParams('order=last')))).toBe(false)
    expect(isFiltered(filterOf(new URLSearchParams('family=unknown')))).toBe(true)
  })
})

describe('a group', () => {
  it('is about what stands behind its cause', () => {
    expect(subjectOf(group('gpu_oom:VAEDecode', { family: 'gpu_oom' }))).toBe('VAEDecode')
    expect(subjectOf(group('missing_model:a:b.safetensors', { family: 'missing_model' }))).toBe('a:b.safetensors')
    expect(subjectOf(group('disk_full', { family: 'disk_full' }))).toBe('')
    expect(subjectOf(group('ValueError:Grow:odd'))).toBe('')
  })

  it('is our own when nobody else has it', () => {
    expect(isOwn(group('x', { services: ['safelight'] }))).toBe(true)
    expect(isOwn(group('x', { services: ['comfyui', 'safelight'] }))).toBe(false)
  })
})

describe('a list', () => {
  const old = group('old', { count: 9, last_seen: '2026-11-01T00:00:00Z' })
  const young = group('young', { count: 2, last_seen: '2026-11-03T00:00:00Z', services: ['photos', 'comfyui'] })

  it('comes as the server orders it, or the latest first', () => {
    expect(ordered([old, young], 'count')).toEqual([old, young])
    expect(ordered([old, young], 'last')).toEqual([young, old])
  })

  it('tells how often each service failed', () => {
    expect(servicesOf([old, young])).toEqual([{ value: 'comfyui', count: 11 }, { value: 'photos', count: 2 }])
  })
})

describe('a sparkline', () => {
  it('is as high as its highest bar and shows every failure', () => {
    expect(heights([0, 1, 1000], 0.1)).toEqual([0, 0.1, 1])
    expect(heights([0, 0])).toEqual([0, 0])
    expect(heights([])).toEqual([])
  })
})
