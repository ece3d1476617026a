import { setTimeout as sleep } from 'node:timers/promises'
import { startServiceProcess } from '#test/webrtc/service-process.ts'

/** Two viewers watch one service for some minutes (default 60): `npm run soak -- 5`. Exits with 1 when memory or handles grow. */
const MINUTES = Number(process.argv[2] ?? 60)
const VIEWERS = 2
const MINUTE = 60_000
/** Minutes before the measurement: the first viewers allocate. */
const WARM_UP = Math.min(10, MINUTES / 5)
/** MiB of resident memory, from the end of the warm-up on. */
const MAX_GROWTH = 20
const MAX_HANDLES = 2
/** Packets of both viewers that must arrive in each minute: 30 frames of 4 packets a second were sent to each. */
const MIN_PACKETS = VIEWERS * 30 * 4 * 60 * 0.9

const say = (line: string) => void process.stdout.write(`${line}\n`)

interface Minute {
  at: number
  rss: number
  handles: number
}

async function soak(): Promise<string[]> {
  await using service = await startServiceProcess()
  service.camera.roll()
  const viewers = await Promise.all(Array.from({ length: VIEWERS }, () => service.openViewers()))
  for (const [i, wish] of viewers.entries()) await wish({ watch: `viewer-${i}` })
  say('| minute | RSS MiB | heap MiB | handles | loop lag p99 / max ms | packets |')
  const minutes: Minute[] = []
  const problems: string[] = []
  let before = 0
  for (let at = 1; at <= MINUTES; at++) {
    await sleep(MINUTE)
    const { rss, heap, resources, lag } = await service.measure()
    const counts = await Promise.all(viewers.map((wish) => wish({ more: 0 })))
    const packets = counts.reduce((sum, one) => sum + one.packets, 0)
    const handles = Object.values(resources).reduce((sum, count) => sum + count, 0)
    const [rssMiB, heapMiB] = [rss, heap].map((bytes) => bytes / 2 ** 20) as [number, number]
    minutes.push({ at, rss: rssMiB, handles })
    say(
      `| ${at} | ${rssMiB.toFixed(1)} | ${heapMiB.toFixed(1)} | ${handles} | ${lag.p99} / ${lag.max} | ${packets - before} |`,
    )
    if (packets - before < MIN_PACKETS) problems.push(`minute ${at}: only ${packets - before} packets`)
    before = packets
  }
  return [...problems, ...growth(minutes.filter(({ at }) => at >= WARM_UP))]
}

function growth(minutes: Minute[]): string[] {
  const [first, last] = [minutes[0], minutes.at(-1)]
  if (!first || !last) return ['too short']
  const more = { rss: last.rss - first.rss, handles: last.handles - first.handles }
  say(`from minute ${first.at} to ${last.at}: RSS ${more.rss.toFixed(1)} MiB, handles ${more.handles}`)
  return [
    ...(more.rss > MAX_GROWTH ? [`RSS grew by ${more.rss.toFixed(1)} MiB`] : []),
    ...(more.handles > MAX_HANDLES ? [`${more.handles} handles more`] : []),
  ]
}

const problems = await soak()
say(problems.length === 0 ? 'flat' : `not flat: ${problems.join('; ')}`)
process.exitCode = problems.length === 0 ? 0 : 1
