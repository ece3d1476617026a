import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { classes, Message, methods, parseMessage, TurnProtocol, UdpTransport } from 'werift'
import '#services/webrtc/ice/gathering.ts'
import { resolveHost } from '#services/webrtc/ice/resolve-host.ts'

/** ChannelData for the first channel. RFC 8656 §12.4 */
function channelData(text: string): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(0x4000, 0)
  head.writeUInt16BE(text.length, 2)
  return Buffer.concat([head, Buffer.from(text)])
}

function dataIndication(text: string): Buffer {
  return new Message(methods.DATA, classes.INDICATION)
    .setAttribute('XOR-PEER-ADDRESS', ['192.0.2.7', 4000])
    .setAttribute('DATA', Buffer.from(text)).bytes
}

test('what other addresses than the TURN server send to its socket is not taken for relayed data', async (t) => {
  const server = createSocket('udp4').bind(0, '127.0.0.1')
  const stranger = createSocket('udp4').bind(0, '127.0.0.1')
  await Promise.all([once(server, 'listening'), once(stranger, 'listening')])
  let robot: [string, number] = ['', 0]
  server.on('message', (bytes, { address, port }) => {
    robot = [address, port]
    const request = parseMessage(bytes)
    if (request?.messageMethod !== methods.ALLOCATE) return
    const response = new Message(methods.ALLOCATE, classes.RESPONSE, request.transactionId)
      .setAttribute('XOR-RELAYED-ADDRESS', ['192.0.2.1', 50_000])
      .setAttribute('XOR-MAPPED-ADDRESS', robot)
      .setAttribute('LIFETIME', 600)
    server.send(response.bytes, port, address)
  })
  const transport = await UdpTransport.init('udp4')
  const turn = new TurnProtocol(['127.0.0.1', server.address().port], 'u', 'p', 600, transport)
  t.after(async () => {
    await transport.close()
    server.close()
    stranger.close()
  })
  Object.assign(turn, { refresh() {}, addrByChannel: { 16384: ['192.0.2.7', 4000] } })
  await turn.connectionMade()
  const received: string[] = []
  const last = new Promise<void>((resolve) => {
    turn.onData.subscribe((data) => {
      received.push(String(data))
      if (String(data) === 'last') resolve()
    })
  })
  const send = (socket: typeof server, bytes: Buffer) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    socket.send(bytes, robot[1], '127.0.0.1', () => resolve())
    return promise
  }
  // in the order in which the kernel queues them
  await send(stranger, channelData('forged channel'))
  await send(stranger, dataIndication('forged indication'))
  await send(server, channelData('channel'))
  await send(server, dataIndication('last'))
  await last
  assert.deepEqual(received, ['channel', 'last'])
})

test('the address of a server is compared in the form that sockets report', async () => {
  assert.equal(await resolveHost('2001:0db8:0:0::0001'), '2001:db8::1')
  assert.equal(await resolveHost('FE80::1%eth0'), 'fe80::1%eth0')
  assert.equal(await resolveHost('192.0.2.1'), '192.0.2.1')
})
