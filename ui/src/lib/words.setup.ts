/** Tests speak both languages at once. */
import { learn, learnAll } from './i18n'

await learnAll()
await learn('en')
await learn('zh-CN')
