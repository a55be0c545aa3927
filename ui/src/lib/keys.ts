/** Whether keys belong to what the reader writes, or to a browser command. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return true
  const target = event.target as Element | null
  if (!target?.matches) return false
  return target.matches('input, textarea, select, [contenteditable]') || !!target.closest('dialog')
}
