import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { LAYERS } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { rss } from '#dev/harness/process-usage.ts'
import { startStack } from '#dev/harness/stack.ts'

/**
 * The vision service at full rate for some minutes (default 60), every layer encoded in H.264 and the small one in VP8 as
 * well, a photo each minute: `npm run soak:vision -- 5`. Exits with 1 when memory or handles grow.
 */
const MINUTES = Number(process.argv[2] ?? 60)
const MINUTE = 60_000
const WARM_UP = Math.min(10, MINUTES / 5)
/** From the end of the warm-up on. */
const MAX_GROWTH = { rss: 20, handles: 3 }

const say = (line: string) => void process.stdout.write(`${line}\n`)

await using stack = await startStack()
const bus = await stack.join('soak')
const counts = { video: 0, detections: 0, frames: 0 }
await bus.subscribe(topics.video, () => void counts.video++)
await bus.subscribe(topics.detections, () => void counts.detections++)
await bus.subscribe(topics.frame, () => void counts.frames++)
const photos = await collect(bus, topics.event, { name: 'photo' })
const states = await collect(bus, topics.serviceState, { service: 'vision' })

async function wish(): Promise<void> {
  const layers = Object.fromEntries(LAYERS.map((layer) => [layer, { bitrate: 1_000_000 }]))
  const also = { codec: 'vp8' as const, layers: { low: { bitrate: 400_000 } } }
  const until = Date.now() + 5 * MINUTE
  await bus.publish(topics.demand, { codec: 'h264', layers, also, until }, { who: 'debug' })
}

async function photo(id: number): Promise<void> {
  const params = { with_hud: id % 2 === 0 }
  const command = {
    id: `${id}`,
    name: 'take_photo',
    params,
    source: 'relay' as const,
    received_at: Date.now(),
  }
  await bus.publish(topics.command, command, { name: 'take_photo' })
}

say(
  '| minute | RSS MiB | descriptors | threads | pictures/s | detections/s | JPEGs/s | photos | age p95 ms |',
)
const seen: { at: number; rss: number; handles: number }[] = []
for (let at = 1; at <= MINUTES; at++) {
  Object.assign(counts, { video: 0, detections: 0, frames: 0 })
  await wish()
  await photo(at)
  await sleep(MINUTE)
  const pid = stack.pids.get('vision') ?? 0
  const [files, threads] = [readdirSync(`/proc/${pid}/fd`).length, readdirSync(`/proc/${pid}/task`).length]
  const memory = rss(pid)
  seen.push({ at, rss: memory, handles: files + threads })
  const load = states.all.at(-1)?.payload.load as { age_ms: { p95: number } | null } | undefined
  const rate = (count: number) => (count / 60).toFixed(1)
  const cells = [
    rate(counts.video),
    rate(counts.detections),
    rate(counts.frames),
    photos.all.length,
    load?.age_ms?.p95,
  ]
  say(`| ${at} | ${memory.toFixed(1)} | ${files} | ${threads} | ${cells.join(' | ')} |`)
}
const [first, last] = [seen.find(({ at }) => at >= WARM_UP), seen.at(-1)]
const growth = {
  rss: (last?.rss ?? 0) - (first?.rss ?? 0),
  handles: (last?.handles ?? 0) - (first?.handles ?? 0),
}
say(`from minute ${first?.at} to ${last?.at}: RSS ${growth.rss.toFixed(1)} MiB, handles ${growth.handles}`)
if (growth.rss > MAX_GROWTH.rss || growth.handles > MAX_GROWTH.handles) process.exitCode = 1
