import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { generate as generatePacket, type Packet, parser } from 'mqtt-packet'
import { connectBus } from '#bus/bus.ts'
import { JsonObject } from '#bus/messages.ts'
import { json } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'

const generate = (packet: Packet) => generatePacket(packet, { protocolVersion: 5 })

type Handler = (packet: Packet, socket: Socket, connection: number) => void

/** A scripted broker: the handler decides what each packet gets. `connection` counts from 1. */
async function scriptedBroker(t: TestContext, handle: Handler) {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const connection = ++connections
    sockets.add(socket)
    socket.on('error', () => {})
    const packets = parser()
    packets.on('packet', (packet) => handle(packet, socket, connection))
    socket.on('data', (bytes) => packets.parse(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const stopping = new AbortController()
  const log = { warn() {}, info() {}, debug() {} }
  const options = { url: `mqtt://127.0.0.1:${port}`, prefix: 'wimz', service: 'test', version: '0', log }
  const connecting = connectBus(options, stopping.signal)
  t.after(async () => {
    await (await connecting)[Symbol.asyncDispose]()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return connecting
}

/** Accepts the connection and acknowledges everything. */
function respond(packet: Packet, socket: Socket): void {
  const messageId = packet.messageId ?? 0
  if (packet.cmd === 'connect')
    socket.write(generate({ cmd: 'connack', reasonCode: 0, sessionPresent: false }))
  if (packet.cmd === 'publish' && packet.qos > 0) socket.write(generate({ cmd: 'puback', messageId }))
  if (packet.cmd === 'subscribe') {
    socket.write(generate({ cmd: 'suback', messageId, granted: packet.subscriptions.map(() => 1) }))
  }
}

test('a broker that drops connections before CONNACK and before SUBACK only delays the start', async (t) => {
  /** The packet on which each of the first connections is dropped. */
  const drops = ['connect', 'subscribe', 'subscribe']
  const acknowledged: number[] = []
  const bus = await scriptedBroker(t, (packet, socket, connection) => {
    if (packet.cmd === drops[connection - 1]) socket.destroy()
    else {
      respond(packet, socket)
      if (packet.cmd === 'subscribe') acknowledged.push(connection)
    }
  })
  await Promise.all([bus.subscribe(topics.close, () => {}), bus.subscribe(topics.answer, () => {})])
  assert.ok(acknowledged.length > 0, 'subscribe resolves only after a SUBACK')
  assert.ok(bus.connected)
})

test('subscribe resolves with the SUBACK, however late, and publishing works before it', async (t) => {
  const pending = Promise.withResolvers<() => void>()
  const bus = await scriptedBroker(t, (packet, socket) => {
    if (packet.cmd === 'subscribe') pending.resolve(() => respond(packet, socket))
    else respond(packet, socket)
  })
  let subscribed = false
  const subscribing = bus
    .subscribe(topics.close, () => {})
    .then(() => {
      subscribed = true
    })
  const sendSuback = await pending.promise
  await bus.publish(topics.close, { session_id: 's', reason: 'x' })
  assert.equal(subscribed, false)
  sendSuback()
  await subscribing
})

test('after a reconnect a service is online only when its subscriptions are acknowledged', async (t) => {
  const log: string[] = []
  const acknowledged = Promise.withResolvers<void>()
  const pending = Promise.withResolvers<() => void>()
  const bus = await scriptedBroker(t, (packet, socket, connection) => {
    if (connection === 2 && packet.cmd === 'publish') {
      log.push(`${packet.topic} ${JSON.parse(String(packet.payload)).state}`)
      if (packet.topic === 'wimz/test/state') acknowledged.resolve()
    }
    if (connection === 2 && packet.cmd === 'subscribe')
      pending.resolve(() => {
        log.push('SUBACK')
        respond(packet, socket)
      })
    else respond(packet, socket)
    if (connection === 1 && packet.cmd === 'publish' && packet.topic === 'wimz/cut') socket.destroy()
  })
  await bus.subscribe(topics.close, () => {})
  bus
    .publish(json('cut', { payload: JsonObject, qos: 0, from: '', to: '', description: '' }), {})
    .catch(() => {})
  const sendSuback = await pending.promise
  // QoS 1, so it is acknowledged after what the client sent before
  await bus.publish(topics.close, { session_id: 's', reason: 'x' })
  sendSuback()
  await acknowledged.promise
  assert.deepEqual(log, ['wimz/signaling/close undefined', 'SUBACK', 'wimz/test/state online'])
})

/** As a broker of MQTT 3.1.1. */
function respondWithoutV5(packet: Packet, socket: Socket): void {
  if (packet.cmd === 'connect') {
    const returnCode = packet.protocolVersion === 5 ? 1 : 0
    socket.write(generatePacket({ cmd: 'connack', returnCode, sessionPresent: false }))
    if (returnCode > 0) socket.end()
  } else if (packet.cmd === 'publish' && packet.qos > 0) {
    socket.write(generatePacket({ cmd: 'puback', messageId: packet.messageId ?? 0 }))
  }
}

test('a broker that refuses MQTT 5 gets 3.1.1, at once and for good', async (t) => {
  const levels: (number | undefined)[] = []
  const bus = await scriptedBroker(t, (packet, socket) => {
    if (packet.cmd === 'connect') levels.push(packet.protocolVersion)
    if (packet.cmd === 'publish' && packet.qos === 0 && levels.length === 2) socket.destroy()
    else respondWithoutV5(packet, socket)
  })
  const reconnected = new Promise<void>((resolve) => {
    bus.onConnect(resolve)
  })
  await bus.publish(json('cut', { payload: JsonObject, qos: 0, from: '', to: '', description: '' }), {})
  await reconnected
  assert.deepEqual(levels, [5, 4, 4])
})
