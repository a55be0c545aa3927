/** What the reader asks of the list of runs, and what becomes of its rows when there is news. */
import { RUN_STATES, type Run, type RunState } from './runs'

/** What the rows become when the first page is read again: what it says of its own span holds, older rows stay.
 *
 *  `joined` is false when so much is new that nothing on the page was known: older rows would leave a gap, and go.
 */
export function renewed(shown: readonly Run[], fresh: readonly Run[], complete: boolean): { rows: Run[]; joined: boolean } {
  if (complete || !shown.length) return { rows: [...fresh], joined: complete }
  const place = new Map(shown.map((run, index) => [run.id, index]))
  const last = fresh.findLast((run) => place.has(run.id))
  if (!last) return { rows: [...fresh], joined: false }
  const ids = new Set(fresh.map((run) => run.id))
  const older = shown.slice(place.get(last.id)! + 1).filter((run) => !ids.has(run.id))
  return { rows: [...fresh, ...older], joined: true }
}

/** The rows with news of themselves, none added and none taken away: the reader is looking at them. */
export function updated(shown: readonly Run[], fresh: readonly Run[]): Run[] {
  const news = new Map(fresh.map((run) => [run.id, run]))
  return shown.map((run) => news.get(run.id) ?? run)
}

/** Lost runs that nobody sent again, as far as the loaded rows tell; `count` is of the whole range. */
export function lostLeft(count: number, rows: readonly Run[]): number {
  const again = new Set(rows.map((run) => run.replay_of))
  return count - rows.filter((run) => run.state === 'lost' && again.has(run.id)).length
}

/** What the reader asks for; the URL holds it. */
export interface RunFilter {
  states: RunState[]
  user: string
  workflow: string
  instance: string
  q: string
}

export function filterOf(search: URLSearchParams): RunFilter {
  const asked = (search.get('state') ?? '').split(',')
  return {
    states: RUN_STATES.filter((state) => asked.includes(state)),
    user: search.get('user') ?? '',
    workflow: search.get('workflow') ?? '',
    instance: search.get('instance') ?? '',
    q: search.get('q') ?? '',
  }
}

export const isFiltered = (filter: RunFilter): boolean =>
  !!(filter.states.length || filter.user || filter.workflow || filter.instance || filter.q)

/** As the parameters of `/runs`. */
export const asQuery = ({ states, user, workflow, instance, q }: RunFilter): Record<string, string> => ({
  state: states.join(','),
  user,
  workflow,
  instance,
  q: q.trim(),
})
