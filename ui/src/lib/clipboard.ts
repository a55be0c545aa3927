/** Taking text away by the clipboard. */
import { t } from './i18n'
import { toast } from './toast.svelte'

/** False where the browser forbids it, as on plain HTTP away from this machine. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = Object.assign(document.createElement('textarea'), { value: text })
    area.style.position = 'fixed'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

/** Copy, and say so. */
export async function take(text: string, done = t('ui.frame.copied')): Promise<void> {
  toast.say((await copy(text)) ? done : t('ui.frame.not_copied'))
}
