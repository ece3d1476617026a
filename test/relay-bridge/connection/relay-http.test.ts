import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { getRelayJson } from '#services/relay-bridge/connection/relay-http.ts'

async function serve(t: TestContext, listener: RequestListener): Promise<URL> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`)
}

test('an answer of the relay is read as JSON, an error status as none', async (t) => {
  const relay = await serve(t, (request, response) => {
    response.statusCode = request.url === '/known' ? 200 : 404
    response.end('{"a":1}')
  })
  assert.deepEqual(await getRelayJson(relay, '/known', { timeout: 10_000 }), { a: 1 })
  assert.equal(await getRelayJson(relay, '/unknown', { timeout: 10_000 }), undefined)
})

test('a compressed bomb and an endless answer are abandoned at 1 MiB', async (t) => {
  const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20, '['))
  const relay = await serve(t, (request, response) => {
    if (request.url === '/bomb') {
      response.setHeader('content-encoding', 'gzip')
      response.end(bomb)
      return
    }
    const more = () => {
      while (!response.destroyed && response.write(' '.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  for (const path of ['/bomb', '/endless']) {
    await assert.rejects(getRelayJson(relay, path, { timeout: 30_000 }), /larger than 1048576 bytes/, path)
  }
})
