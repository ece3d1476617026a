import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import test from 'node:test'
import { DtlsServer } from 'werift'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { acceptedRecords } from '#services/webrtc/werift-patches/dtls-guard.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

/** A DTLS record. RFC 6347 §4.1. */
function record(type: number, epoch: number, body: Buffer): Buffer {
  const header = Buffer.from([type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, 0])
  header.writeUInt16BE(body.length, 11)
  return Buffer.concat([header, body])
}

/** A ClientHello without a cookie. RFC 6347 §4.2.1. */
function clientHello(): Buffer {
  const body = Buffer.concat([
    Buffer.from([0xfe, 0xfd]),
    Buffer.alloc(32, 7),
    Buffer.from('00000002c02b0100', 'hex'),
  ])
  const handshake = Buffer.from([1, 0, 0, body.length, 0, 0, 0, 0, 0, 0, 0, body.length])
  return Buffer.concat([handshake, body])
}

const FATAL_ALERT = Buffer.from([2, 40])
const FORGED: Record<string, Buffer> = {
  'a ClientHello': record(22, 0, clientHello()),
  'an alert': record(21, 0, FATAL_ALERT),
  'an alert that claims to be encrypted': record(21, 1, FATAL_ALERT),
  'a ClientHello that claims to be encrypted': record(22, 1, clientHello()),
  'a change of cipher': record(20, 0, Buffer.from([1])),
  'application data': record(23, 1, Buffer.alloc(64, 9)),
}

for (const [what, datagram] of Object.entries(FORGED)) {
  test(`${what} of a stranger to the port of a session does not end it`, { timeout: 60_000 }, async (t) => {
    const { bus, camera } = await startRobot(t, {}, { silence: 1_000, grace: 2_000 })
    camera.roll()
    const [offers, closed] = [await collect(bus, topics.offer), await collect(bus, topics.closed)]
    const viewer = await openViewer(t, bus, 'one')
    await viewer.until(({ video }) => video.length > 0, 20_000)
    const { sdp } = (await offers.next()).payload.sdp
    const stranger = createSocket('udp4')
    for (const [, address = '', port] of sdp.matchAll(/ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/g)) {
      for (let i = 0; i < 5; i++) {
        await new Promise((resolve) => stranger.send(datagram, Number(port), address, resolve))
      }
    }
    stranger.close()
    const channel = await viewer.channel
    const { promise, resolve } = Promise.withResolvers<void>()
    channel.onMessage.subscribe((data) => String(data).includes('pong') && resolve())
    channel.send(JSON.stringify({ type: 'ping', n: 1 }))
    await promise
    const { length } = viewer.video
    await viewer.until(({ video }) => video.length > length + 60, 20_000)
    assert.deepEqual(closed.all, [])
  })
}

test('plain-text records of a stranger during the handshake change nothing', {
  timeout: 60_000,
}, async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const stranger = createSocket('udp4')
  t.after(() => stranger.close())
  const timers: NodeJS.Timeout[] = []
  t.after(() => timers.forEach(clearInterval))
  await bus.subscribe(topics.offer, ({ sdp: { sdp } }) => {
    const ports = [...sdp.matchAll(/ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/g)]
    const send = () => {
      for (const [, address, port] of ports)
        for (const datagram of Object.values(FORGED)) stranger.send(datagram, Number(port), address)
    }
    timers.push(setInterval(send, 5))
  })
  const closed = await collect(bus, topics.closed)
  const viewer = await openViewer(t, bus, 'one')
  await viewer.until(({ video }) => video.length > 100, 20_000)
  assert.deepEqual(closed.all, [])
})

test('once connected, only encrypted handshake and data records are read; alerts never are', () => {
  const all = [20, 21, 22, 23].flatMap((type) =>
    [0, 1].map((epoch) => record(type, epoch, Buffer.from([type, epoch]))),
  )
  const kinds = (isConnected: boolean) => {
    return acceptedRecords(Buffer.concat(all), isConnected).map((one) => [...one.subarray(13)])
  }
  assert.deepEqual(kinds(true), [
    [22, 1],
    [23, 1],
  ])
  assert.deepEqual(kinds(false), [
    [20, 0],
    [20, 1],
    [22, 0],
    [22, 1],
    [23, 1],
  ])
  for (const bytes of ['', '16', '16fefd0000000000000000ffff']) {
    assert.ok(Buffer.concat(acceptedRecords(Buffer.from(bytes, 'hex'), true)).length <= 13)
  }
})

test('fragments of handshake messages that never end are not kept for ever', () => {
  const internals = DtlsServer.prototype as unknown as {
    handleFragmentHandshake(messages: object[]): object[]
  }
  const socket = Object.assign(Object.create(internals), { bufferFragmentedHandshakes: [] })
  const fragment = {
    length: 60_000,
    fragment_offset: 0,
    fragment_length: 1_000,
    fragment: Buffer.alloc(1_000),
  }
  for (let i = 0; i < 10_000; i++) {
    socket.handleFragmentHandshake([fragment])
    assert.ok(socket.bufferFragmentedHandshakes.length <= 65)
  }
})
