import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { negotiateVersion } from '#bus/protocol-version.ts'
import { freePorts } from '#dev/harness/ports.ts'

/** The versions of the attempts that follow the first two failed ones. */
async function versionsAt(t: TestContext, port: number): Promise<(number | undefined)[]> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { protocolVersion: 5, reconnectPeriod: 1 })
  t.after(() => client.endAsync(true))
  client.on('error', () => {})
  negotiateVersion(client)
  const versions: (number | undefined)[] = []
  return await new Promise((resolve) => {
    client.on('close', () => {
      versions.push(client.options.protocolVersion)
      if (versions.length === 2) resolve(versions)
    })
  })
}

test('a broker that is not running says nothing about versions', async (t) => {
  const [port = 0] = await freePorts(1)
  assert.deepEqual(await versionsAt(t, port), [5, 5])
})

test('a broker that closes the connection without a CONNACK gets the other version next', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.destroy())
  })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  assert.deepEqual(await versionsAt(t, port), [4, 5])
})
