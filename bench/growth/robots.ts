import { existsSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { print } from '#dev/harness/print.ts'
import { cpuOf, pss } from '#dev/harness/process-usage.ts'
import { startStack } from '#dev/harness/stack.ts'
import { RECEIVER, startGoTool } from '../viewers/go-tool.ts'
import { ourServer } from '../viewers/our-server.ts'
import { START } from './demand.ts'
import type { GrowthRow } from './row.ts'

const GROUP = 'robots on one machine'
const COUNTS = [1, 2, 4]
const SETTLE_MS = 8_000
const WATCH_MS = 8_000

/** Whole stacks with their detectors, each with one viewer that does not decode; CPU by service, all robots together. */
export async function measureRobots(): Promise<GrowthRow[]> {
  if (!existsSync(RECEIVER)) {
    print('robots on one machine: skipped, run npm run bench:build first (needs Go)')
    print()
    return []
  }
  const rows: GrowthRow[] = []
  await using stacks = new AsyncDisposableStack()
  using receivers = startGoTool('receive')
  const pids = new Map<string, number>()
  for (let robots = 1; robots <= Math.max(...COUNTS); robots++) {
    const stack = stacks.use(await startStack({}, START))
    for (const [service, pid] of stack.pids) pids.set(`${service} ${robots}`, pid)
    const server = await ourServer({ bus: await stack.join('bench'), pids: stack.pids }, receivers)
    await server.connect(`robot-${robots}`)
    if (COUNTS.includes(robots)) rows.push(await measure(robots, pids, receivers))
  }
  return rows
}

async function measure(
  robots: number,
  pids: ReadonlyMap<string, number>,
  receivers: ReturnType<typeof startGoTool>,
): Promise<GrowthRow> {
  await sleep(SETTLE_MS)
  await receivers.received()
  const start = performance.now()
  const cpu = new Map<string, number>()
  for (const [name, percent] of await cpuOf(pids, () => sleep(WATCH_MS))) {
    const service = name.split(' ')[0] ?? name
    cpu.set(service, (cpu.get(service) ?? 0) + percent)
  }
  const received = await receivers.received()
  const seconds = (performance.now() - start) / 1000
  return {
    group: GROUP,
    name: String(robots),
    cpu: { ...Object.fromEntries(cpu), all: cpu.values().reduce((sum, percent) => sum + percent, 0) },
    fps: Math.min(...received.map(({ frames }) => frames)) / seconds,
    size: '1280×720',
    pssMiB: pids.values().reduce((sum, pid) => sum + pss(pid), 0),
    load: loadavg()[0] ?? Number.NaN,
  }
}
