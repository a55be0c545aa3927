import type { Layout } from './layout'

/** The boxes that lie on others. */
export function overlaps({ boxes }: Layout): string[] {
  const all = [...boxes]
  return all.flatMap(([a, p], i) =>
    all.slice(i + 1).flatMap(([b, q]) => (p.x < q.x + q.width && q.x < p.x + p.width && p.y < q.y + q.height && q.y < p.y + p.height ? [`${a} on ${b}`] : [])),
  )
}
