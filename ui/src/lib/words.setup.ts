/** Tests speak both languages at once. */
import { learn } from './i18n'

await learn('en')
await learn('zh-CN')
