/** The exact prompt of a run as a command for any shell of the POSIX kind. */

export const UNKNOWN_HOST = 'http://COMFYUI_HOST:8188'

/** Where the instance of a run answers; a placeholder when its name is not an address. */
export function comfyAt(instance: string | null): string {
  if (instance && /^https?:\/\/[^\s/]+/.test(instance)) return instance.replace(/\/+$/, '')
  if (instance && /^(\[[\da-f:]+\]|[\w.-]+):\d{1,5}$/i.test(instance)) return `http://${instance}`
  return UNKNOWN_HOST
}

/** Single quotes keep everything but themselves. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

export const curl = (prompt: unknown, instance: string | null): string =>
  `curl -X POST ${quoted(`${comfyAt(instance)}/prompt`)} \\\n  -H 'Content-Type: application/json' \\\n  --data-raw ${quoted(JSON.stringify({ prompt }))}`
