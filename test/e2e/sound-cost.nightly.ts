import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { cpuOf } from '#dev/harness/process-usage.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { chirps } from '#test/audio/signals.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { openTalkingViewer } from '#test/webrtc/audio/talking-viewer.ts'

const VIEWERS = 4
const ROUNDS = 3
const MEASURE_MS = 10_000
const SETTLE_MS = 3_000
const MEASURED = ['audio', 'webrtc', 'broker'] as const

/** CPU time by process, in percent of one core. */
type Cost = Record<(typeof MEASURED)[number], number>

async function costOf(stack: Stack): Promise<Cost> {
  await sleep(SETTLE_MS)
  const used = await cpuOf(stack.pids, () => sleep(MEASURE_MS))
  return Object.fromEntries(MEASURED.map((name) => [name, used.get(name) ?? Number.NaN])) as Cost
}

/** A program that passes 20 ms of its input on each 20 ms, as arecord does. */
const PACE = [
  'import sys, time',
  'start = time.monotonic()',
  'n = 0',
  'while True:',
  '  data = sys.stdin.buffer.read(1920)',
  '  n += 1',
  '  time.sleep(max(0, start + n * 0.02 - time.monotonic()))',
  '  sys.stdout.buffer.write(data)',
  '  sys.stdout.buffer.flush()',
].join('\n')

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN

test('what sound costs', { timeout: 300_000 }, async (t) => {
  const folder = temporaryFolder(t)
  const [second, pace] = [join(folder, 'second.raw'), join(folder, 'pace.py')]
  writeFileSync(second, Buffer.from(chirps(1).buffer))
  writeFileSync(pace, PACE)
  const play = `while cat ${second}; do :; done | exec python3 ${pace}`
  const stack = await startStack(
    {
      vision: {
        source: { type: 'synthetic' },
        detector: { enabled: false },
        snapshot_fps: 0,
        overlay: false,
      },
      webrtc: { stun_servers: [], max_connections: VIEWERS + 1, video: { width: 320, height: 180, fps: 5 } },
      audio: {
        source: { type: 'exec', command: ['sh', '-c', play] },
        speaker: { type: 'exec', command: ['sh', '-c', 'exec cat > /dev/null'] },
      },
    },
    { within: 90_000 },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const bus = await stack.join()
  const states = await collect(bus, topics.audioState)
  const show = (what: string, cost: Cost) => {
    const cells = MEASURED.map((name) => `${name} ${cost[name].toFixed(2)}`)
    t.diagnostic(`${what}: ${cells.join(', ')} (load ${loadavg()[0]?.toFixed(1)})`)
    return cost
  }
  // what a start costs
  await sleep(20_000)
  const idle = show('no demand', await costOf(stack))
  await bus.publish(topics.audioDemand, { until: Date.now() + 500_000 }, { who: 'debug' })
  await states.next({ where: ({ audio_ok }) => audio_ok === true, within: 20_000 })
  const capture = show('capture and encode', await costOf(stack))
  const viewers: Awaited<ReturnType<typeof openTalkingViewer>>[] = []
  for (let n = 0; n < VIEWERS; n++) viewers.push(await openTalkingViewer(t, bus, `viewer-${n}`))
  const more: Cost[] = []
  for (let n = 0; n < ROUNDS; n++) {
    const measure = async (on: boolean) => {
      for (const { send } of viewers) send({ type: 'sound', on })
      return show(`${VIEWERS} viewers, ${on ? 'all' : 'none'} hears`, await costOf(stack))
    }
    const [silent, hearing] = [await measure(false), await measure(true)]
    const difference = MEASURED.map((name) => [name, (hearing[name] - silent[name]) / VIEWERS])
    more.push(Object.fromEntries(difference) as Cost)
  }
  const perViewer = median(more.map(({ webrtc }) => webrtc))
  t.diagnostic(`a viewer that hears costs ${perViewer.toFixed(2)} % of a core more in webrtc`)
  const talking = viewers[0]?.talk(1, SETTLE_MS + MEASURE_MS + 1_000)
  show('one of them talks', await costOf(stack))
  await talking
  assert.ok(idle.audio <= 0.5, `${idle.audio} % without demand`)
  assert.ok(capture.audio <= 3, `${capture.audio} % for capture and encoder`)
  assert.ok(perViewer <= 1, `${perViewer} % for a viewer that hears`)
})
