import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { print } from '#dev/harness/print.ts'
import { startStack } from '#dev/harness/stack.ts'

// CPU of vision and of ffmpeg for the same stream, side by side: both read raw 720p15 of their own copy of one camera
// program and encode it with the same settings of libx264. Percent of a core, user and system time, without the camera.
const SETTLE_MS = 6_000
const WATCH_MS = 15_000
const CLOCK_TICKS = 100
const CLIP = 'demo/clip.mp4'
/** Writes the clip as raw yuv420p at its own rate, without end. */
const camera = (raw: string) => [
  'sh',
  '-c',
  `exec ffmpeg -v error -re -stream_loop -1 -f rawvideo -pix_fmt yuv420p -s 1280x720 -r 15 -i ${raw} -c copy -f rawvideo -`,
]

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

/** ffmpeg with the settings of `services/vision/encode/encoder.ts`. */
function startFfmpeg(raw: string): ChildProcess[] {
  const [program = '', ...args] = camera(raw)
  const source = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const input = ['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', '1280x720', '-r', '15', '-i', 'pipe:0']
  const x264 = ['-preset', 'superfast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-g', '150']
  const rate = ['-b:v', '1500k', '-maxrate', '1500k', '-bufsize', '600k', '-threads', '2']
  const encoder = spawn(
    'ffmpeg',
    [
      '-v',
      'error',
      ...input,
      '-c:v',
      'libx264',
      ...x264,
      ...rate,
      '-x264-params',
      'repeat-headers=1:scenecut=0',
      '-f',
      'h264',
      '-',
    ],
    { stdio: [source.stdout as never, 'pipe', 'inherit'] },
  )
  encoder.stdout?.resume()
  return [encoder, source]
}

await using folder = await mkdtempDisposable(join(tmpdir(), 'wimz-bench-'))
const raw = join(folder.path, 'clip.yuv')
const make = spawn(
  'ffmpeg',
  ['-v', 'error', '-i', CLIP, '-t', '10', '-pix_fmt', 'yuv420p', '-s', '1280x720', raw],
  {
    stdio: 'inherit',
  },
)
await once(make, 'exit')
const source = { type: 'exec', command: camera(raw), format: 'yuv420p', width: 1280, height: 720, fps: 15 }
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
  const layers = { high: { bitrate: 1_500_000 } }
  await bus.publish(topics.demand, { codec: 'h264', layers, until: Date.now() + 120_000 }, { who: 'debug' })
  let frames = 0
  await bus.subscribe(topics.video, () => void frames++)
  const peers = startFfmpeg(raw)
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
