import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { print } from '#dev/harness/print.ts'
import { pss, rss } from '#dev/harness/process-usage.ts'
import { startStack } from '#dev/harness/stack.ts'
import { startGoTool } from './viewers/go-tool.ts'
import { ourServer } from './viewers/our-server.ts'

/**
 * Memory of each process with one viewer and the detector, the clip as camera: `npm run bench:memory`. The stack starts twice, since the
 * first start compiles.
 */
const SETTLE_MS = 45_000

for (const isMeasured of [false, true]) {
  await using stack = await startStack({}, { within: 120_000 })
  if (!isMeasured) {
    // until the compiled code is written
    await sleep(12_000)
    continue
  }
  using receivers = startGoTool('receive')
  const bus = await stack.join('bench')
  const server = await ourServer({ bus, pids: stack.pids }, receivers)
  await server.connect('memory')
  await sleep(SETTLE_MS)
  print(`load ${loadavg()[0]?.toFixed(1)}; MiB`)
  print('| process | PSS | RSS |')
  print('|---|---|---|')
  const all = [['supervisor', stack.supervisor.pid ?? 0] as const, ...stack.pids]
  for (const [name, pid] of all) print(`| ${name} | ${pss(pid).toFixed(0)} | ${rss(pid).toFixed(0)} |`)
  const sum = (of: (pid: number) => number) => all.reduce((total, [, pid]) => total + of(pid), 0).toFixed(0)
  print(`| all | ${sum(pss)} | ${sum(rss)} |`)
}
