import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { RtpHeader, RtpPacket } from 'werift'
import { decodeTalkPacket } from '#bus/talk-packet.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startRobot } from '../robot.ts'
import { openViewer, type Viewer } from '../viewer.ts'

/** The m-lines of an offer, without what differs between two sessions. */
async function offerOf(t: Parameters<typeof startRobot>[0], config: object, talk?: boolean): Promise<string> {
  const { bus } = await startRobot(t, { ...config })
  const offer = await collect(bus, topics.offer)
  await bus.publish(topics.request, {
    session_id: 'one',
    ice_servers: [],
    ...(talk === undefined ? {} : { talk }),
  })
  const { sdp } = (await offer.next()).payload.sdp
  return sdp
    .replaceAll(
      /^(o=|a=(candidate|ice-ufrag|ice-pwd|fingerprint|msid|ssrc|ssrc-group|cname)\b|a=msid-semantic).*\r\n/gm,
      '',
    )
    .replaceAll(/^m=(\w+) \d+/gm, 'm=$1')
}

test('an app that does not ask to talk gets the same offer as ever; one that does, one attribute more', async (t) => {
  const plain = await offerOf(t, {})
  assert.equal(plain.match(/^a=sendonly\r$/gm)?.length, 2)
  assert.equal(await offerOf(t, { speaker: 'exec' }), plain)
  assert.equal(await offerOf(t, { speaker: 'exec' }, false), plain)
  // without a speaker asking changes nothing
  assert.equal(await offerOf(t, {}, true), plain)
  const [video = '', ...rest] = plain.split(/^(?=m=audio)/m)
  const expected = video + rest.join('').replace('a=sendonly', 'a=sendrecv')
  assert.equal(await offerOf(t, { speaker: 'exec' }, true), expected)
})

/** Sends packets of the viewer's microphone, each with its number, until `enough`. */
async function speak(viewer: Viewer, enough: () => boolean) {
  const sender = viewer.pc.getTransceivers().find(({ kind }) => kind === 'audio')?.sender
  for (let n = 0; !enough() && n < 2_000; n++) {
    const header = new RtpHeader({
      payloadType: 111,
      sequenceNumber: n & 0xffff,
      timestamp: n * 960,
      ssrc: 77,
    })
    await sender?.sendRtp(new RtpPacket(header, Buffer.from([0x78, n & 0xff])))
    await sleep(10)
  }
}

test('the voice of the viewer who talks is on the bus, with its numbers, and reports come back', async (t) => {
  const { bus, camera } = await startRobot(t, { speaker: 'exec' })
  camera.roll()
  const talk = await collect(bus, topics.talk)
  const viewer = await openViewer(t, bus, 'one', { talk: true })
  await viewer.connected
  const channel = await viewer.channel
  const told: unknown[] = []
  channel.onMessage.subscribe((text) => {
    const message = JSON.parse(String(text))
    if (message.type === 'talk') told.push(message.by)
  })
  while (channel.readyState !== 'open') await sleep(10)
  await speak(viewer, () => {
    channel.send(JSON.stringify({ type: 'talk', active: true, press: 1 }))
    // more than a viewer that does not talk may send
    return talk.all.length >= 100
  })
  channel.send(JSON.stringify({ type: 'talk', active: false, press: 1 }))
  await talk.next({ where: (bytes) => decodeTalkPacket(bytes)?.data.length === 0 })
  const packets = talk.all.flatMap(({ payload }) => decodeTalkPacket(payload) ?? [])
  const spoken = packets.filter(({ data }) => data.length > 0)
  assert.equal(new Set(packets.map(({ talk: id }) => id)).size, 1)
  const sent = ((spoken.at(-1)?.timestamp ?? 0) - (spoken[0]?.timestamp ?? 0)) / 960 + 1
  assert.ok(spoken.length >= sent * 0.9, `${spoken.length} of ${sent} packets`)
  for (const { data, timestamp } of spoken) assert.equal((timestamp / 960) & 0xff, data[1])
  assert.ok(told.includes('you'))
})

test('a viewer that did not ask to talk is not heard', async (t) => {
  const { bus, camera } = await startRobot(t, { speaker: 'exec' })
  camera.roll()
  const talk = await collect(bus, topics.talk)
  const results: unknown[] = []
  const viewer = await openViewer(t, bus, 'one')
  await viewer.connected
  const channel = await viewer.channel
  channel.onMessage.subscribe((text) => results.push(JSON.parse(String(text))))
  while (channel.readyState !== 'open') await sleep(10)
  channel.send(JSON.stringify({ type: 'talk', active: true, press: 1 }))
  const before = viewer.video.length
  await speak(viewer, () => viewer.video.length > before + 20)
  assert.equal(talk.all.length, 0)
  assert.ok(!results.some((one) => (one as { type?: string }).type === 'talk'))
})
