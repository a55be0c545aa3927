import { describe, expect, it } from 'vitest'
import { ledgerOf } from './ledger'

const TOLD = {
  device: 'cuda:0 NVIDIA GeForce RTX 4090',
  models: [
    { model: 'SD1ClipModel', model_mb: 235, loaded_mb: 235, device: 'cuda:0', in_use: false },
    { model: 'SDXL', model_mb: 4900, loaded_mb: 4900, device: 'cuda:0', in_use: true },
    { model: 'VAE', model_mb: 160, loaded_mb: 160, device: 'cpu', in_use: false },
  ],
  device_total_mb: 24564,
  device_used_mb: 23000,
  device_free_mb: 1564,
  torch_allocated_mb: 20000,
  torch_reserved_mb: 21500,
  others_mb: 1500,
  torch_peak_mb: 22000,
  ram_total_mb: 64000,
  ram_free_mb: 30000,
  processes: [{ pid: 7, used_mb: 1500, own: false }, { pid: 'x' }],
}

describe('the memory ledger', () => {
  it('adds up to what the device has', () => {
    const ledger = ledgerOf(TOLD)!
    expect(ledger.parts.map(({ holder, name, mb }) => [holder, name, mb])).toEqual([
      ['model', 'SDXL', 4900],
      ['model', 'SD1ClipModel', 235],
      ['working', null, 14865],
      ['cache', null, 1500],
      ['others', null, 1500],
      ['free', null, 1564],
    ])
    expect(ledger.parts.reduce((sum, part) => sum + part.mb, 0)).toBe(ledger.total)
    expect(ledger.processes).toEqual([{ pid: 7, mb: 1500, own: false }])
  })
  it('is that of the machine where there is no GPU', () => {
    const ledger = ledgerOf({ device: 'cpu', models: [{ model: 'SD', loaded_mb: 700, device: 'cpu' }], ram_used_mb: 1900, ram_total_mb: 8000, ram_free_mb: 5000 })!
    expect([ledger.gpu, ledger.total, ledger.parts.map((part) => [part.holder, part.mb])]).toEqual([
      false,
      8000,
      [['model', 700], ['process', 1200], ['free', 5000]],
    ])
  })
  it('is nothing when nothing is known, whatever stands there', () => {
    expect(ledgerOf(null)).toBeNull()
    expect(ledgerOf({})).toBeNull()
    expect(ledgerOf({ models: 'many', processes: {}, device: 3, ram_used_mb: 'x' })).toBeNull()
  })
})
