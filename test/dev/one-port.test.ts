import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { createOnePortServer } from '#dev/relay/tls/one-port.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const LIMITS = { headersTimeout: 200, requestTimeout: 200, connectionsCheckingInterval: 50 }
const BEGINNING = 'GET / HTTP/1.1\r\nHost: localh'
const HALF_A_FORM = 'POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\ntoken='

async function open(t: TestContext, onRequest: RequestListener) {
  const { cert, key } = certify(temporaryFolder(t), 'one')
  const pair = { cert: readFileSync(cert), key: readFileSync(key) }
  const inner = [
    createServer(LIMITS, onRequest),
    createHttpsServer({ ...LIMITS, ...pair }, onRequest),
  ] as const
  const server = createOnePortServer(...inner).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { server, inner, port }
}

test('a request that is never complete ends, over HTTP and HTTPS, and so do the checks with the server', {
  timeout: 30_000,
}, async (t) => {
  const { server, inner, port } = await open(t, () => {})
  const ends = [BEGINNING, HALF_A_FORM].flatMap((text) =>
    [connect(port, '127.0.0.1'), connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })].map(
      async (socket) => {
        socket.on('error', () => {})
        socket.write(text)
        await once(socket.resume(), 'close')
      },
    ),
  )
  await Promise.all(ends)
  const closed = Promise.all(inner.map((one) => once(one, 'close')))
  server.close()
  await closed
})

test('a client that has sent its last gets the whole answer', { timeout: 30_000 }, async (t) => {
  const SIZE = 16 * 1024 * 1024
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const { port } = await open(t, (request, response) => {
    request.socket.once('end', resolve)
    response.end(Buffer.alloc(SIZE))
  })
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await ended
  let bytes = 0
  for await (const chunk of socket) bytes += (chunk as Buffer).length
  assert.ok(bytes > SIZE, `${bytes} of ${SIZE}`)
})
