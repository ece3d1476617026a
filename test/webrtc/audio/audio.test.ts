import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RtpPacket } from 'werift'
import type { Bus } from '#bus/bus.ts'
import { encodeOpusPacket } from '#bus/opus-packet.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

/** A packet with this number in it, captured now, or `age` ms ago. */
function publish(bus: Bus, n: number, age = 0): Promise<void> {
  const capturedAt = BigInt(Math.round((Date.now() - age) * 1_000))
  return bus.publish(topics.opus, encodeOpusPacket({ capturedAt, data: Buffer.from([0x78, n]) }))
}

const numbers = (packets: readonly RtpPacket[]) => packets.map(({ payload }) => payload[1])

test('viewers get each packet of the bus, and the demand lasts as long as a viewer', async (t) => {
  const { bus, connect } = await startRobot(t, { microphone: 'exec' })
  const microphone = await connect('audio', { announce: false })
  const demand = await collect(bus, topics.audioDemand, { who: 'webrtc' })
  const viewers = [await openViewer(t, bus, 'first'), await openViewer(t, bus, 'second')]
  await demand.next({ where: (wanted) => wanted !== null })
  await Promise.all(viewers.map(({ connected }) => connected))
  // a machine that is busy testing delays some of them for too long
  const isEnough = () => viewers.every(({ audio }) => audio.length >= 5)
  for (let n = 0; !isEnough(); n = (n + 1) % 200) {
    await publish(microphone, n)
    await sleep(20)
  }
  for (const { audio } of viewers) {
    assert.ok(numbers(audio).every((n = 0, i, all) => i === 0 || n > (all[i - 1] ?? 0) || n === 0))
    assert.ok(audio.every(({ header }) => header.payloadType === 111))
  }
  await viewers[0]?.close()
  await bus.publish(topics.close, { session_id: 'first', reason: 'left' })
  await bus.publish(topics.close, { session_id: 'second', reason: 'left' })
  await demand.next({ where: (wanted) => wanted === null })
})

test('packets that have waited for more than 100 ms are not sent, and the sound continues live', async (t) => {
  const { bus, connect } = await startRobot(t, { microphone: 'exec' })
  const microphone = await connect('audio', { announce: false })
  const viewer = await openViewer(t, bus, 'one')
  await viewer.connected
  while (viewer.audio.length === 0) {
    await publish(microphone, 1)
    await sleep(20)
  }
  for (let n = 0; n < 10; n++) await publish(microphone, 9, 3_000 - n * 20)
  while (!numbers(viewer.audio).includes(2)) {
    await publish(microphone, 2)
    await sleep(20)
  }
  assert.ok(!numbers(viewer.audio).includes(9))
})

test('a robot without a microphone publishes no demand and sends no packets', async (t) => {
  const { bus, connect, camera } = await startRobot(t)
  camera.roll()
  const microphone = await connect('audio', { announce: false })
  const demand = await collect(bus, topics.audioDemand)
  const viewer = await openViewer(t, bus, 'one')
  await viewer.connected
  for (let n = 0; n < 10; n++) await publish(microphone, n)
  await viewer.until(({ video }) => video.length > 0)
  assert.deepEqual([demand.all, viewer.audio], [[], []])
})

test('the offer is the same with and without a microphone', async (t) => {
  const offers = []
  for (const microphone of ['none', 'exec']) {
    const { bus } = await startRobot(t, { microphone })
    const offer = await collect(bus, topics.offer)
    await bus.publish(topics.request, { session_id: 'one', ice_servers: [] })
    const { sdp } = (await offer.next()).payload.sdp
    offers.push(
      sdp
        .replaceAll(
          /^(o=|a=(candidate|ice-ufrag|ice-pwd|fingerprint|msid|ssrc|ssrc-group|cname)\b|a=msid-semantic).*\r\n/gm,
          '',
        )
        .replaceAll(/^m=(\w+) \d+/gm, 'm=$1'),
    )
  }
  assert.equal(offers[0], offers[1])
})

test('a viewer whose answer rejects the audio gets video alone', async (t) => {
  const { bus, connect, camera } = await startRobot(t, { microphone: 'exec' })
  camera.roll()
  const microphone = await connect('audio', { announce: false })
  const forge = (sdp: string) => sdp.replace(/^m=audio \d+/m, 'm=audio 0')
  const viewer = await openViewer(t, bus, 'one', { forge })
  await viewer.until(({ video }) => video.length > 5)
  for (let n = 0; n < 10; n++) await publish(microphone, n)
  await viewer.until(({ video }) => video.length > 20)
  assert.equal(viewer.audio.length, 0)
})
