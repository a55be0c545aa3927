import { describe, expect, it } from 'vitest'
import { nameOf } from './runs'
import { run } from './runs.fixture'

describe('a run', () => {
  it('is called by its workflow, its graph, or its id', () => {
    expect([
      nameOf(run('0123456789', { workflow_name: 'portrait', graph_hash: 'abc' })),
      nameOf(run('0123456789', { graph_hash: 'abcdef012345' })),
      nameOf(run('0123456789')),
    ]).toEqual(['portrait', 'graph abcdef', '01234567'])
  })
})
