import { expect, it } from 'vitest'
import { sorted } from './sorting'

const rows = [{ n: 10, w: 'node 10' }, { n: null, w: 'b' }, { n: 9, w: 'node 9' }, { n: 100, w: null }]

it('sorts numbers and words as people do, and leaves gaps at the end', () => {
  const by = (column: 'n' | 'w', descending: boolean) => sorted(rows, { column, descending }, 'en').map((row) => row[column])
  expect(by('n', false)).toEqual([9, 10, 100, null])
  expect(by('n', true)).toEqual([100, 10, 9, null])
  expect(by('w', false)).toEqual(['b', 'node 9', 'node 10', null])
  expect(sorted(rows, null, 'en')).toEqual(rows)
})
