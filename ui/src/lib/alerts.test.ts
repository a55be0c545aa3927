import { expect, test } from 'vitest'
import { draftOf, EMPTY, fieldsOf, fits, freeName, whereOf, type Rule } from './alerts'

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
  expect(freeName('failure rate > 15% over 15m', [])).toBe('failure-rate')
  expect(freeName('3 > 4', [])).toBe('rule')
})

test('where it is reads from the service down to the node', () => {
  expect(whereOf({ node: 'VAEDecode', error_group: 'gpu_oom:VAEDecode', service: 'comfyui', model: 'sd15' })).toEqual(['comfyui', 'VAEDecode', 'sd15'])
})

test('a rule is found by words of its name, title, condition and state', () => {
  const rule = { id: 'oom', title: '显存不足', when: 'any error_group:gpu_oom*', state: 'firing' } as Rule
  expect(['', 'OOM', '显存', 'gpu firing'].map((q) => fits(rule, q))).toEqual([true, true, true, true])
  expect(fits(rule, 'gpu idle')).toBe(false)
})
