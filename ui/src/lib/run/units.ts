/** Memory as GPUs and drivers count it: a card of "24 GB" has 24 × 1024 MB. */
import { prefs } from '../prefs.svelte'

function unit(value: number, name: 'gigabyte' | 'megabyte', digits: number): string {
  return new Intl.NumberFormat(prefs.language, { style: 'unit', unit: name, unitDisplay: 'short', minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
}

export function memory(mb: number): string {
  if (Math.abs(mb) < 1000) return unit(mb, 'megabyte', Math.abs(mb) < 10 ? 1 : 0)
  return unit(mb / 1024, 'gigabyte', Math.abs(mb) < 102_400 ? 1 : 0)
}
