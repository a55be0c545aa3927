import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { comfyAt, curl, UNKNOWN_HOST } from './curl'

describe('the command', () => {
  it('goes to the instance when its name is an address', () => {
    expect(comfyAt('studio-gpu-02:8188')).toBe('http://studio-gpu-02:8188')
    expect(comfyAt('[::1]:8188')).toBe('http://[::1]:8188')
    expect(comfyAt('https://comfy.example/lab/')).toBe('https://comfy.example/lab')
    for (const unknown of [null, '', 'gpu-1', 'a b:1', 'x:1;reboot']) expect(comfyAt(unknown)).toBe(UNKNOWN_HOST)
  })
  it('gives a shell the exact prompt', () => {
    const prompt = { '3': { inputs: { text: `it's "$HOME" \`id\` \\ 提示 \n ${'!'}` }, class_type: 'CLIPTextEncode' } }
    const said = execFileSync('sh', ['-c', curl(prompt, 'gpu:8188').replace(/^curl/, 'printf "%s\\0"')], { encoding: 'utf-8' }).split('\0')
    expect(said.slice(0, 5)).toEqual(['-X', 'POST', 'http://gpu:8188/prompt', '-H', 'Content-Type: application/json'])
    expect(JSON.parse(said[6]!)).toEqual({ prompt })
  })
})
