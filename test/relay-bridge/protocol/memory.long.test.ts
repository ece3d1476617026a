import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { peakMemory, startBridgeProcess } from '../bridge-process.ts'

const MAX_PEAK_MIB = 200
/** Under frames of 8 MiB that are read, and published. The container has 256 MiB. */
const MAX_PEAK_READ_MIB = 215
const MAX_FRAME = 8 * 2 ** 20
/** The bridge reads this much of large frames, MiB a second, and drops the others unread. */
const LARGE_RATE = 2
const DEADLINE_MS = 20_000

/** A frame of at most 8 MiB with as many of these entries as fit. */
function filled(
  start: string,
  entry: (i: number) => string,
  end: string,
  most = Number.POSITIVE_INFINITY,
): string {
  const parts: string[] = []
  let room = MAX_FRAME - start.length - end.length
  for (let i = 0; i < most; i++) {
    const part = `${i > 0 ? ',' : ''}${entry(i)}`
    room -= part.length
    if (room < 0) break
    parts.push(part)
  }
  return start + parts.join('') + end
}

const HOSTILE: Record<string, () => string[]> = {
  '600,000 keys': () => [filled('{"type":"profiles","data":{', (i) => `"k${i}":1`, '}}', 600_000)],
  '2.5 million empty arrays': () => [filled('{"type":"profiles","profiles":[', () => '[]', ']}')],
  '4 million levels': () => [`{"type":"audio_message","data":${'['.repeat(MAX_FRAME - 40)}`],
  'commands of 2 MiB': () =>
    Array.from(
      { length: 20 },
      (_, i) => `{"command":"c${i}","data":{"text":"${'x'.repeat(2 ** 21 - 1_000)}"}}`,
    ),
  '20,000 commands': () =>
    Array.from(
      { length: 20_000 },
      (_, i) => `{"command":"c${i}","id":"${i}","data":{"text":"${'x'.repeat(500)}"}}`,
    ),
  '20,000 unknown types': () =>
    Array.from({ length: 20_000 }, (_, i) => `{"type":"t${i}","text":"${'x'.repeat(500)}"}`),
  '300 MiB of audio messages': () =>
    Array.from({ length: 1_500 }, () => `{"type":"audio_message","data":"${'A'.repeat(200_000)}"}`),
}

const READ: Record<string, () => string[]> = {
  '48,000 short texts and objects': () => [
    filled(
      '{"type":"profiles","profiles":[',
      (i) => `{"dog_id":"${'x'.repeat(300)}${i}","p":{}}`,
      ']}',
      24_000,
    ),
  ],
  'one text of escapes': () => [`{"type":"audio_message","data":"${'\\u0001'.repeat(MAX_FRAME / 6 - 10)}"}`],
  'one key of 8 MiB': () => [`{"type":"audio_message","${'k'.repeat(MAX_FRAME - 40)}":1}`],
}

test(`hostile frames and HTTP answers never take more than ${MAX_PEAK_MIB} MiB`, {
  timeout: 120_000,
}, async (t) => {
  const relay = await fakeRelay(t)
  const bomb = gzipSync(Buffer.alloc(256 * 2 ** 20, '['))
  let bombs = 0
  relay.answer = (response) => {
    bombs++
    response.setHeader('content-encoding', 'gzip')
    response.end(bomb)
  }
  const { robot, bridge } = await startBridgeProcess(t, relay)
  const cloud = await collect(robot, topics.cloud, { type: 'activity_clear' })
  const socket = await relay.robot(20_000)
  await socket.next(({ type }) => type === 'ping', 10_000)
  socket.socket.removeAllListeners('message')
  let marks = 0
  const send = async (name: string, frames: () => string[]) => {
    const [first = '', ...more] = frames()
    // of a flood only the first are read
    if (more.length === 0) await sleep((first.length / 2 ** 20 / LARGE_RATE) * 1_000)
    for (const frame of [first, ...more]) socket.socket.send(frame)
    const mark = ++marks
    socket.send({ type: 'activity_clear', mark })
    await cloud.next({ where: (payload) => payload.mark === mark, within: DEADLINE_MS })
    t.diagnostic(`${name}: peak ${peakMemory(bridge).toFixed(0)} MiB`)
  }
  for (const [name, frames] of Object.entries(HOSTILE)) await send(name, frames)
  assert.ok(peakMemory(bridge) <= MAX_PEAK_MIB)
  for (const [name, frames] of Object.entries(READ)) await send(name, frames)
  assert.ok(peakMemory(bridge) <= MAX_PEAK_READ_MIB)
  assert.ok(bombs > 0, 'the relay was queried over HTTP')
  assert.equal(relay.attempts.length, 1, 'one connection')
  assert.ok(!bridge.lines.some((line) => line.startsWith('unforeseen')), bridge.lines.join('\n'))
})
