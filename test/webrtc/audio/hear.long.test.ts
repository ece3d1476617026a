import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import type { RtpPacket } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { AudioSection } from '#services/audio/config.ts'
import { startAudio } from '#services/audio/index.ts'
import { decodeOpus } from '#test/audio/opus.ts'
import { correlation } from '#test/audio/signals.ts'
import { player } from '#test/audio/start-audio.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { withoutAiortc } from '#test/helpers/tools.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'
import { openTalkingViewer } from './talking-viewer.ts'

/** A robot with webrtc and audio. */
async function startHearing(t: TestContext, audio: object = {}) {
  const robot = await startRobot(t, { microphone: 'exec', speaker: 'exec', max_connections: 4 })
  const section = AudioSection.parse({ source: { type: 'exec', command: player() }, ...audio })
  const service = await startAudio({
    bus: await robot.connect('audio'),
    config: { audio: section, data_dir: temporaryFolder(t) },
    log: robot.log,
  })
  t.after(() => service[Symbol.asyncDispose]())
  return robot
}

/** The newest packets without a gap before them. */
function newestRun(packets: readonly RtpPacket[]): readonly RtpPacket[] {
  const isNext = ({ header }: RtpPacket, i: number) =>
    (header.timestamp - (packets[i - 1]?.header.timestamp ?? 0)) >>> 0 === 960
  return packets.slice(
    Math.max(
      0,
      packets.findLastIndex((packet, i) => !isNext(packet, i)),
    ),
  )
}

test('what a program plays on the robot is what the viewer decodes', async (t) => {
  const robot = await startHearing(t)
  const viewer = await openViewer(t, robot.bus, 'one')
  await viewer.until(({ audio }) => newestRun(audio).length >= 100, 60_000)
  const heard = decodeOpus(newestRun(viewer.audio).map(({ payload }) => payload))
  assert.ok(correlation(heard) > 0.9, String(correlation(heard)))
})

test('two viewers hear, and a third who talks while the second does takes over', async (t) => {
  const robot = await startHearing(t, {
    speaker: { type: 'exec', command: ['sh', '-c', 'exec cat > /dev/null'] },
    full_duplex: true,
  })
  robot.camera.roll()
  const states = await collect(robot.bus, topics.audioState)
  const open = (id: string) => openTalkingViewer(t, robot.bus, id)
  const [first, second, third] = [await open('first'), await open('second'), await open('third')]
  const last = ({ told }: typeof first) => told.findLast(({ type }) => type === 'talk')?.by
  const ended = new AbortController()
  const talking = [second.talk(1, 60_000, ended.signal)]
  await until(() => last(second) === 'you' && last(first) === 'other', { deadline: 20_000 })
  await states.next({ where: ({ speaker }) => speaker?.playing === 'talk', within: 20_000 })
  talking.push(third.talk(1, 60_000, ended.signal))
  await until(() => last(third) === 'you' && last(second) === 'other', { deadline: 20_000 })
  // the second still holds its button: its requests repeat the press that has lost
  const heard = [first, second].map(({ viewer }) => viewer.audio.length)
  await until(() => [first, second].every(({ viewer }, i) => viewer.audio.length >= (heard[i] ?? 0) + 100), {
    deadline: 30_000,
  })
  assert.deepEqual([first, second, third].map(last), ['other', 'other', 'you'])
  ended.abort()
  await Promise.all(talking)
  await until(() => [first, second, third].every((one) => last(one) === null), { deadline: 20_000 })
})

test('an app on aiortc hears what the robot hears', {
  skip: withoutAiortc(),
  timeout: 120_000,
}, async (t) => {
  const robot = await startHearing(t)
  robot.camera.roll()
  const path = join(temporaryFolder(t), 'heard.raw')
  const app = spawn('/usr/bin/python3', [`${PROJECT_ROOT}/test/webrtc/aiortc_app.py`, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  closeAfter(t, () => app.kill())
  const tell = (frame: object) => app.stdin.write(`${JSON.stringify(frame)}\n`)
  const session_id = 'aiortc'
  await robot.bus.subscribe(topics.offer, ({ sdp }) => void tell({ sdp }))
  await robot.bus.subscribe(topics.localCandidate, ({ candidate }) => void tell({ candidate }))
  let blocks = 0
  createInterface(app.stdout).on('line', (line) => {
    const { sdp, sound } = JSON.parse(line)
    if (sdp) void robot.bus.publish(topics.answer, { session_id, sdp })
    if (sound) blocks = sound
  })
  await robot.bus.publish(topics.request, { session_id, ice_servers: [] })
  // of 20 ms
  await until(() => blocks >= 250, { deadline: 60_000 })
  const bytes = readFileSync(path)
  const heard = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  const best = Math.max(
    ...[2, 3, 4].map((second) => correlation(heard.subarray(second * 48_000, (second + 1) * 48_000))),
  )
  t.diagnostic(`correlation of the best second ${best}`)
  assert.ok(best > 0.8, String(best))
})
