import { expect, test } from 'vitest'
import { figure } from './format'

test('a figure stands in the unit a person can picture', () => {
  expect(figure(0, 'GB')).toBe('0')
  expect(figure(2300, 'ms')).toBe('2.3s')
  expect(figure(90, 's')).toBe('1m 30s')
  expect([figure(12.25, 'GB'), figure(4096, 'MB')]).toEqual(['12.3 GB', '4.0 GB'])
  expect(figure(15, '%')).toBe('15%')
  expect([figure(87, '°C'), figure(12_300, '')]).toEqual(['87 °C', '12.3K'])
})
