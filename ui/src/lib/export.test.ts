import { expect, it } from 'vitest'
import { columnsOf, toCsv, toNdjson } from './export'

const events = [
  { id: '1', timestamp: 't', message: '=HYPERLINK("http://x")', level: 'INFO' },
  { id: '2', timestamp: 't', message: 'a,"b"\nc', duration_ms: -3, attributes: { k: [1] } },
]

it('writes a CSV that no spreadsheet runs', () => {
  const columns = columnsOf(events)
  expect(columns).toEqual(['timestamp', 'level', 'message', 'duration_ms', 'attributes', 'id'])
  const [head, first, second] = toCsv(columns, events).split('\r\n')
  expect(head).toBe('timestamp,level,message,duration_ms,attributes,id')
  expect(first).toBe(`t,INFO,"'=HYPERLINK(""http://x"")",,,1`)
  expect(second).toBe('t,,"a,""b""\nc",-3,"{""k"":[1]}",2')
})

it('writes one object a line', () => {
  expect(toNdjson(events).trimEnd().split('\n').map((line) => JSON.parse(line))).toEqual(events)
})
