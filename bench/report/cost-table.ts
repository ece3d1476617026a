import type { ViewersRow } from '../viewers/row.ts'

/** What one server cost by number of viewers: CPU in % of a core, RSS of the server in MiB, jitter p99 in ms. */
interface Cost {
  server: string
  cpu: Readonly<Record<number, number>>
  rss16?: number
  jitter16?: number
}

/**
 * The state before the work on the cost of a viewer: one run on the same kind of machine, 720p15 at 1.5 Mbit/s, the same receivers in
 * another network namespace. This stack was counted with all its processes but vision, now broker and webrtc are.
 */
const BEFORE: readonly Cost[] = [
  { server: 'fanout', cpu: { 1: 1.0, 4: 3.0, 16: 9.5, 32: 16.4 }, rss16: 55, jitter16: 17 },
  { server: 'mediamtx', cpu: { 1: 1.9, 4: 4.6, 16: 11.1, 32: 17.7 }, rss16: 107, jitter16: 50 },
  { server: 'go2rtc', cpu: { 1: 1.6, 4: 3.7, 16: 11.5, 32: 21.1 }, rss16: 103, jitter16: 51 },
  { server: 'ours', cpu: { 1: 13.9, 4: 25.3, 16: 64.8, 32: 97.7 }, rss16: 542, jitter16: 66 },
  { server: 'aiortc', cpu: { 1: 67.8, 4: 188 } },
]
const NAMES: Readonly<Record<string, string>> = {
  fanout: 'fan-out in Go (the limit)',
  mediamtx: 'MediaMTX',
  go2rtc: 'go2rtc',
  ours: '**this stack**',
  aiortc: 'aiortc, an encoder for each viewer',
}
const COUNTS = [1, 4, 16, 32, 64]

/** Markdown: before and now for each server and number of viewers. */
export function costTable(rows: readonly ViewersRow[]): string {
  const heads = COUNTS.map((count) => `${count} viewer${count === 1 ? '' : 's'}`)
  const columns = ['server', '', ...heads, 'each more (1 to 16)', 'RSS at 16', 'jitter p99 at 16']
  const now = new Map(
    [...Map.groupBy(rows, ({ server }) => server)].map(([server, of]) => [server, costOf(server, of)]),
  )
  const lines = BEFORE.flatMap((before) => {
    const after = now.get(before.server)
    return [
      line(NAMES[before.server] ?? before.server, 'before', before),
      ...(after ? [line('', 'now', after)] : []),
    ]
  })
  return [columns, columns.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function costOf(server: string, rows: readonly ViewersRow[]): Cost {
  const at16 = rows.find(({ viewers }) => viewers === 16)
  const cpu = Object.fromEntries(rows.map((row) => [row.viewers, row.cpu]))
  return { server, cpu, ...(at16 ? { rss16: at16.rssMiB, jitter16: at16.jitterP99 } : {}) }
}

function line(name: string, when: string, { cpu, rss16, jitter16 }: Cost): string[] {
  const slope = slopeOf(cpu, 1, 16) ?? slopeOf(cpu, 1, 4)
  return [
    name,
    when,
    ...COUNTS.map((count) => show(cpu[count], 1, ' %')),
    show(slope, 2, ' %'),
    show(rss16, 0, ' MiB'),
    show(jitter16, 0, ' ms'),
  ]
}

/** CPU of one more viewer, by the first and the last number; undefined without both. */
export function slopeOf(cpu: Readonly<Record<number, number>>, from: number, to: number): number | undefined {
  const [first, last] = [cpu[from], cpu[to]]
  return first === undefined || last === undefined ? undefined : (last - first) / (to - from)
}

const show = (value: number | undefined, digits: number, unit: string) =>
  value === undefined ? '–' : `${value.toFixed(digits)}${unit}`
