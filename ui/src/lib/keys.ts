/** What a key or a click is meant for. */

/** Whether keys belong to what the reader writes, or to a browser command. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return true
  const target = event.target as Element | null
  if (!target?.matches) return false
  return target.matches('input, textarea, select, [contenteditable]') || !!target.closest('dialog')
}

/** Whether a click means the row: not what stands in it and has a meaning of its own, nor the end of marking its text. */
export function meansRow(event: MouseEvent): boolean {
  const marking = getSelection()?.type === 'Range'
  return !marking && !event.defaultPrevented && !(event.target as Element).closest('a, button, input, [role=dialog]')
}
