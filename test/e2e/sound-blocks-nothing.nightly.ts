import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startStack } from '#dev/harness/stack.ts'
import { percentile } from '#dev/harness/statistics.ts'
import { chirps, toWav } from '#test/audio/signals.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { openTalkingViewer, type TalkingViewer } from '#test/webrtc/audio/talking-viewer.ts'
import { openViewer } from '#test/webrtc/viewer.ts'

const MEASURE_MS = 8_000
const STOP_INTERVAL_MS = 100
/** 99 of 100 stops are on the bus within this time. */
const MAX_STOP_MS = 100

/** Stops of a viewer for a while: ms until each is on the bus, and the frames that the viewer gets. */
async function stops(driver: TalkingViewer, bus: Bus) {
  // one after the other, so that each is on the bus before the next
  const sent: number[] = []
  const times: number[] = []
  using _commands = await bus.subscribe(
    topics.command,
    () => {
      const at = sent.shift()
      if (at !== undefined) times.push(performance.now() - at)
    },
    { name: 'stop' },
  )
  const { video } = driver.viewer
  const before = video.filter(({ header }) => header.marker).length
  driver.viewer.longestGap()
  const start = performance.now()
  for (let n = 0; performance.now() - start < MEASURE_MS; n++) {
    sent.push(performance.now())
    driver.send({ command: 'stop', id: `${start}-${n}` })
    await sleep(STOP_INTERVAL_MS)
  }
  const frames = video.filter(({ header }) => header.marker).length - before
  return {
    stops: times.length,
    unanswered: sent.length,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    frames,
    gap: driver.viewer.longestGap(),
  }
}

test('devices that hang, a talker that vanishes, and clips without end delay no stop and cost no frame', {
  timeout: 180_000,
}, async (t) => {
  const stack = await startStack(
    {
      vision: {
        source: { type: 'synthetic' },
        detector: { enabled: false },
        snapshot_fps: 0,
        overlay: false,
      },
      webrtc: { stun_servers: [], max_connections: 4, video: { width: 320, height: 180, fps: 15 } },
      audio: {
        // neither writes, nor reads, nor ends
        source: { type: 'exec', command: ['sh', '-c', 'trap "" TERM INT HUP; while :; do sleep 1; done'] },
        speaker: { type: 'exec', command: ['sh', '-c', 'trap "" TERM INT HUP; while :; do sleep 1; done'] },
      },
    },
    { within: 90_000 },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const bus = await stack.join()
  const states = await collect(bus, topics.audioState)
  const driver = await openTalkingViewer(t, bus, 'driver')
  await driver.viewer.until(({ video }) => video.length > 20, 30_000)
  await sleep(3_000)
  const calm = await stops(driver, bus)

  const vanishing = await openTalkingViewer(t, bus, 'vanishing')
  const gone = new AbortController()
  const talking = vanishing.talk(1, 60_000, gone.signal)
  await states.next({ where: ({ speaker }) => speaker?.error === 'takes no sound for 1 s', within: 20_000 })
  // clips of 10 s, and one that claims to last for hours
  const clip = toWav(chirps(10)).toString('base64')
  const header = toWav(chirps(1))
  header.writeUInt32LE(0xffffffff, 40)
  const play = async (id: string, data: string) =>
    await bus.publish(
      topics.command,
      { id, name: 'ptt_play', params: { data, format: 'wav' }, source: 'relay', received_at: Date.now() },
      { name: 'ptt_play' },
    )
  const flood = new AbortController()
  const flooding = (async () => {
    for (let n = 0; !flood.signal.aborted; n++) {
      await play(`clip-${n}`, n % 2 === 0 ? clip : header.toString('base64'))
      await sleep(250)
    }
  })()
  setTimeout(() => {
    // without a word: no close, no more packets
    gone.abort()
    vanishing.viewer.hangUp()
    for (const transport of vanishing.viewer.pc.dtlsTransports) void transport.stop()
  }, 2_000)
  const loaded = await stops(driver, bus)
  flood.abort()
  await flooding
  await talking
  t.diagnostic(JSON.stringify({ calm, loaded }))
  assert.equal(calm.unanswered + loaded.unanswered, 0, 'a stop was lost')
  assert.ok(loaded.p99 <= Math.max(MAX_STOP_MS, calm.p99 * 2), `stop after ${loaded.p99} ms`)
  assert.ok(loaded.frames >= calm.frames * 0.95, `${loaded.frames} frames, ${calm.frames} without sound`)

  // the microphone does not answer either
  const hearer = await openViewer(t, bus, 'hearer')
  await states.next({ where: ({ audio_ok }) => audio_ok === false, within: 30_000 })
  await hearer.close()
  const begin = performance.now()
  stack.supervisor.kill('SIGTERM')
  const { clean } = await stack.line(({ msg }) => msg === 'stopped', 15_000)
  t.diagnostic(`the robot stops in ${Math.round(performance.now() - begin)} ms`)
  assert.equal(clean, true)
})
