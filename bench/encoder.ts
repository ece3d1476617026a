import { readdirSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { print } from '#dev/harness/print.ts'
import { startStack } from '#dev/harness/stack.ts'
import { rawSource, startFfmpeg, writeRawClip } from './growth/raw-camera.ts'

// CPU of vision and of ffmpeg for the same stream, side by side: both read raw 720p15 of their own copy of one camera
// program and encode it with the same settings of libx264. Percent of a core, user and system time, without the camera.
const SETTLE_MS = 6_000
const WATCH_MS = 15_000
const CLOCK_TICKS = 100
const CAMERA = { width: 1280, height: 720, fps: 15 }
const BITRATE = 1_500_000
const CLIP_SECONDS = 10

/** CPU time of each thread so far, ticks. */
function threadTimes(pid: number): Map<string, number> {
  const times = new Map<string, number>()
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1')
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    times.set(`${name}/${tid}`, Number(fields[11]) + Number(fields[12]))
  }
  return times
}

/** Percent of a core by thread, over the measurement; `all` too. */
async function measure(pids: Record<string, number>) {
  const before = Object.entries(pids).map(([name, pid]) => [name, threadTimes(pid)] as const)
  const start = performance.now()
  await sleep(WATCH_MS)
  const seconds = (performance.now() - start) / 1000
  for (const [name, times] of before) {
    const percents = [...threadTimes(pids[name] ?? 0)]
      .map(([thread, now]) => [thread, now - (times.get(thread) ?? 0)] as const)
      .map(([thread, ticks]) => [thread, (100 * ticks) / CLOCK_TICKS / seconds] as const)
    const all = percents.reduce((sum, [, percent]) => sum + percent, 0)
    const most = percents.filter(([, percent]) => percent >= 0.3).sort(([, a], [, b]) => b - a)
    print(
      `  ${name.padEnd(8)} ${all.toFixed(1).padStart(5)} %   ${most.map(([thread, percent]) => `${thread} ${percent.toFixed(1)}`).join(', ')}`,
    )
  }
}

await using folder = await mkdtempDisposable(join(tmpdir(), 'wimz-bench-'))
const raw = await writeRawClip(folder.path, CAMERA, CLIP_SECONDS)
const source = rawSource(raw, CAMERA)
for (const [name, vision] of [
  ['detector and overlay off', { detector: { enabled: false }, overlay: false, snapshot_fps: 0 }],
  ['detector, overlay and snapshots on', {}],
] as const) {
  const isWanted = process.argv[2] === undefined || name.includes(process.argv[2])
  if (!isWanted) continue
  await using stack = await startStack({ vision: { source, ...vision } })
  const pid = stack.pids.get('vision') ?? 0
  await sleep(SETTLE_MS)
  print(`${name}, no viewer`)
  await measure({ vision: pid })
  const bus = await stack.join('bench')
  const states = await collect(bus, topics.serviceState, { service: 'vision' })
  const layers = { high: { bitrate: BITRATE } }
  await bus.publish(topics.demand, { codec: 'h264', layers, until: Date.now() + 120_000 }, { who: 'debug' })
  let frames = 0
  await bus.subscribe(topics.video, () => void frames++)
  const peers = startFfmpeg(raw, CAMERA, { ...CAMERA, bitrate: BITRATE })
  await sleep(SETTLE_MS)
  frames = 0
  print(`${name}, one layer of 720p at 1.5 Mbit/s`)
  await measure({ vision: pid, ffmpeg: peers[0]?.pid ?? 0 })
  const { layers: shown, load } = Object(states.all.at(-1)?.payload)
  const { width, height } = Object(shown?.high)
  const level = `overload level ${load?.level}: compare rows of level 0 only`
  print(
    `  ${((frames * 1000) / WATCH_MS).toFixed(1)} frames of ${width}x${height} a second from vision, ${level}`,
  )
  for (const peer of peers) peer.kill('SIGKILL')
}
