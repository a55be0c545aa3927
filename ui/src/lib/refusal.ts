/** Why the server did not do what it was asked to, for the reader. */
import { Problem } from './api'
import { t } from './i18n'
import { harmless } from './text'

export const whyNot = (reason: unknown): string => (reason instanceof Problem ? harmless(reason.message) : t('ui.logs.unreachable'))
