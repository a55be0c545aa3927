import { expect, it } from 'vitest'
import { SseParser } from './sse'

it('reads messages however the stream is cut', () => {
  const stream = ': hello\n\nid: 7\nevent: events\ndata: {"a":\ndata: 1}\n\n:beat\n\ndata:x\r\n\r\n'
  for (let size = 1; size < stream.length; size++) {
    const parser = new SseParser()
    const messages = []
    for (let i = 0; i < stream.length; i += size) messages.push(...parser.push(stream.slice(i, i + size)))
    expect(messages).toEqual([
      { id: '7', event: 'events', data: '{"a":\n1}' },
      { id: '7', event: 'message', data: 'x' },
    ])
  }
})
