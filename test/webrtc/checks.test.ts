import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { tryStunServer } from '#services/webrtc/checks.ts'

/** A STUN server on loopback that answers every request with these attributes. */
async function stunServer(t: TestContext, host: string, attributes: (id: Buffer) => Buffer) {
  const socket: Socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  t.after(() => socket.close())
  socket.on('message', (request, from) => {
    const body = attributes(request.subarray(8, 20))
    const header = Buffer.concat([Buffer.from('01010000', 'hex'), request.subarray(4, 20)])
    header.writeUInt16BE(body.length, 2)
    socket.send(Buffer.concat([header, body]), from.port, from.address)
  })
  socket.bind(0, host)
  await once(socket, 'listening')
  return { host, port: socket.address().port }
}

/** XOR-MAPPED-ADDRESS, RFC 8489 §14.2. */
function mapped(id: Buffer, address: Buffer, port: number): Buffer {
  const mask = Buffer.concat([Buffer.from('2112a442', 'hex'), id])
  const value = address.map((byte, i) => byte ^ (mask[i] ?? 0))
  const head = Buffer.from([0, 0x20, 0, 4 + address.length, 0, address.length === 4 ? 1 : 2, 0, 0])
  head.writeUInt16BE(port ^ 0x2112, 6)
  return Buffer.concat([head, value])
}

test('a STUN server gives our public address, IPv4 and IPv6', async (t) => {
  const four = await stunServer(t, '127.0.0.1', (id) => mapped(id, Buffer.from([192, 0, 2, 1]), 32_853))
  assert.equal(await tryStunServer(four, 5_000), '192.0.2.1:32853')
  const address = Buffer.from('20010db8123456780011223344556677', 'hex')
  const six = await stunServer(t, '127.0.0.1', (id) => mapped(id, address, 32_853))
  assert.equal(await tryStunServer(six, 5_000), '[2001:db8:1234:5678:11:2233:4455:6677]:32853')
})

test('a STUN answer without an address, and a missing answer, are reported as such', async (t) => {
  const empty = await stunServer(t, '127.0.0.1', () => Buffer.alloc(0))
  await assert.rejects(tryStunServer(empty, 5_000), /no XOR-MAPPED-ADDRESS/)
  const silent = createSocket('udp4')
  t.after(() => silent.close())
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  await assert.rejects(
    tryStunServer({ host: '127.0.0.1', port: silent.address().port }, 50),
    /no answer within 0.05 s/,
  )
})
