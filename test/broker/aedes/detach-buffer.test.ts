import assert from 'node:assert/strict'
import { test } from 'node:test'
import packets from 'mqtt-packet'
import { freePorts } from '#dev/harness/ports.ts'
import { startBrokerProcess } from '#test/broker/broker-process.ts'
import * as raw from '#test/broker/protocol/raw-client.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const ROUNDS = 150
const PADDING = packets.generate({
  cmd: 'publish',
  topic: 'wimz/state/padding',
  payload: Buffer.alloc(60_000),
  qos: 0,
  dup: false,
  retain: false,
})

test('a retained message of a few bytes does not retain the socket buffer that it was received in', async (t) => {
  const folder = temporaryFolder(t)
  const [port = 0] = await freePorts(1)
  const broker = await startBrokerProcess(t, folder, { port, users_file: 'test/helpers/open-access.yaml' })

  const client = await raw.dial(t, port)
  client.send(packets.generate({ cmd: 'connect', clientId: 'c', clean: true, keepalive: 0 }))
  await client.next()
  const before = await broker.live()
  for (let i = 1; i <= ROUNDS; i++) {
    const stored = packets.generate({
      cmd: 'publish',
      topic: `wimz/state/${i}`,
      payload: 'ten bytes!',
      qos: 1,
      messageId: i,
      retain: true,
      dup: false,
    })
    client.send(Buffer.concat([PADDING, stored]))
    await client.next()
  }
  const grown = (await broker.live()) - before
  assert.ok(grown < 3, `${grown.toFixed(1)} MiB more for ${ROUNDS} messages of 10 bytes`)
})
