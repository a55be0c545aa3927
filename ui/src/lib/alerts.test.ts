import { expect, test } from 'vitest'
import { draftOf, EMPTY, fieldsOf, freeName, needsALook, whereOf, type Alert } from './alerts'

test('what is empty in the form is left out of the rule', () => {
  expect(fieldsOf({ ...EMPTY, id: 'slow', when: ' run takes > 30s ' })).toEqual({
    id: 'slow',
    when: 'run takes > 30s',
    severity: 2,
    repeat: '5m',
    resolve_after: '10m',
    enabled: true,
    shadow: false,
  })
})

test('what the form does not show survives an edit', () => {
  const rule = { id: 'oom', when: 'any error_group:gpu_oom*', clear: null, inhibit: ['any-error'], then: [{ free_memory: {} }], escalate: null, channels: ['team'] }
  const fields = fieldsOf({ ...draftOf(rule), severity: 3 })
  expect(fields).toMatchObject({ severity: 3, inhibit: ['any-error'], then: [{ free_memory: {} }], channels: ['team'] })
  expect(fields).not.toHaveProperty('escalate')
  expect(fields).not.toHaveProperty('clear')
})

test('a new rule is named after what it looks for, and never after another', () => {
  expect(freeName('any level:ERROR', [])).toBe('level-error')
  expect(freeName('any level:ERROR', ['level-error', 'level-error-2'])).toBe('level-error-3')
  expect(freeName('3 > 4', [])).toBe('rule')
})

test('where it is reads from the service down to the node', () => {
  expect(whereOf({ node: 'VAEDecode', error_group: 'gpu_oom:VAEDecode', service: 'comfyui', model: 'sd15' })).toEqual(['comfyui', 'VAEDecode', 'sd15'])
})

test('what was taken care of needs no look', () => {
  const firing = { status: 'firing', acknowledged: null, muted: null } as Alert
  expect(needsALook(firing)).toBe(true)
  expect(needsALook({ ...firing, acknowledged: { at: '', by: 'maria' } })).toBe(false)
  expect(needsALook({ ...firing, muted: { by: 'silence', ref: '1', until: null } })).toBe(false)
  expect(needsALook({ ...firing, status: 'resolved' })).toBe(false)
})
