import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { startBridge } from '../bridge.ts'

test('a relay whose certificate no authority has signed gets no signature', async (t) => {
  const { cert, key } = certify(temporaryFolder(t), 'relay')
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) })
  const upgrades: unknown[] = []
  server.on('upgrade', (request, socket) => {
    upgrades.push(request.headers)
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const { link } = await startBridge(t, { url: `wss://localhost:${port}/ws/device` })
  const { payload } = await link.next({ where: ({ state }) => state === 'waiting', within: 10_000 })
  assert.match(payload.last_close?.reason ?? '', /self-signed certificate/)
  assert.deepEqual(upgrades, [])
})
