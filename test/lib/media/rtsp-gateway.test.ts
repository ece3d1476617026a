import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { RtspGateway } from '#lib/media/rtsp-gateway.ts'
import { RtspResponses } from '#lib/media/rtsp-responses.ts'
import { captureUrl } from '#services/vision/camera/sources/url.ts'

/** An RTSP server on this loopback address that answers every request with these lines. */
async function startServer(t: TestContext, host: string, answer: () => string[]) {
  const requests: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      const text = data.toString()
      requests.push(text)
      const sequence = /^CSeq: (\d+)/im.exec(text)?.[1]
      const [first, ...rest] = answer()
      socket.write([first, `CSeq: ${sequence}`, ...rest, '', ''].join('\r\n'))
    })
  })
  await once(server.listen(0, host), 'listening')
  t.after(() => server.close())
  return { requests, port: (server.address() as AddressInfo).port }
}

function capture(url: string, settings: object = {}) {
  const size = { width: 320, height: 180, fps: 5 }
  const signal = AbortSignal.timeout(10_000)
  return captureUrl({ type: 'url', url, loop: false, ...settings })({
    ...size,
    signal,
    onFrame() {},
  } as never)
}

for (const transport of ['tcp', 'udp', 'auto']) {
  test(`an RTSP redirect to another host is refused, and nothing is sent there (${transport})`, async (t) => {
    const other = await startServer(t, '127.0.0.2', () => ['RTSP/1.0 404 Not Found'])
    const camera = await startServer(t, '127.0.0.1', () => [
      'RTSP/1.0 302 Found',
      `Location: rtsp://127.0.0.2:${other.port}/live`,
    ])
    const capturing = capture(`rtsp://user:secret@127.0.0.1:${camera.port}/`, { rtsp_transport: transport })
    await assert.rejects(capturing, { message: 'cannot open: the camera refers to another host' })
    assert.ok(camera.requests.length > 0)
    assert.deepEqual(other.requests, [])
  })
}

test('an RTSP redirect within the host of the camera is followed', async (t) => {
  const moved = await startServer(t, '127.0.0.1', () => ['RTSP/1.0 404 Not Found'])
  const camera = await startServer(t, '127.0.0.1', () => [
    'RTSP/1.0 301 Moved Permanently',
    `location:rtsp://127.0.0.1:${moved.port}/moved`,
  ])
  await assert.rejects(capture(`rtsp://127.0.0.1:${camera.port}/`), /cannot open/)
  assert.match(moved.requests.join(), /^OPTIONS rtsp:\/\/127\.0\.0\.1:\d+\/moved RTSP/)
})

test('a camera that redirects to itself for ever is given up', async (t) => {
  const camera = await startServer(t, '127.0.0.1', () => [
    'RTSP/1.0 302 Found',
    `Location: rtsp://127.0.0.1:${camera.port}/`,
  ])
  await assert.rejects(capture(`rtsp://127.0.0.1:${camera.port}/`), /cannot open/)
  assert.ok(camera.requests.length <= 6, `${camera.requests.length} requests`)
})

/** What passes of these bytes, in pieces of `size`. */
async function passed(bytes: string, size = 1_000) {
  const responses = new RtspResponses({
    redirect(location) {
      if (location.includes('other')) throw new Error('refused')
      return 'rtsp://gateway/'
    },
    relays: { answered: (transport) => `(${transport})` },
  })
  const output: Buffer[] = []
  responses.on('data', (part) => output.push(part))
  const end = once(responses, 'end')
  for (let at = 0; at < bytes.length; at += size)
    responses.write(Buffer.from(bytes.slice(at, at + size), 'latin1'))
  responses.end()
  await end
  return Buffer.concat(output).toString('latin1')
}

test('packets and bodies pass as they are, whatever they contain, in any pieces', async () => {
  const body = 'v=0\r\nRTSP/1.0 302 Found\nLocation: rtsp://other/\r\n\r\n'
  const packet = `$\0\0\x1bRTSP/1.0 302 Found\r\nothers\n`
  const message = `RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  for (const size of [1, 3, 1_000]) {
    assert.equal(await passed(packet + message + packet + message, size), packet + message + packet + message)
  }
})

test('a Transport header in any form that FFmpeg reads is replaced', async () => {
  for (const line of ['TRANSPORT : x;y', 'transport:x;y', ' Transport:  x;y', 'Tran\rsport: x;y']) {
    assert.equal(await passed(`RTSP/1.0 200 OK\n${line}\n\n`), 'RTSP/1.0 200 OK\r\nTransport: (x;y)\r\n\r\n')
  }
})

test('a redirect in any form that FFmpeg reads is checked, and what it reads in another way ends the connection', async () => {
  for (const text of [
    'RTSP/1.0 302 Found\r\nLocation: rtsp://other/\r\n\r\n',
    'RTSP/1.0 302 Found\nlocation:rtsp://other/\n\n',
    '\r\nRTSP/1.0 300\n\rLoc\ration:  rtsp://other/\n\n',
    'RTSP/1.0  302 Found\nLocation: rtsp://other/\n\n',
    'RTSP/1.0 +302 Found\nLocation: rtsp://other/\n\n',
    'RTSP/2 302 Found\nLocation: rtsp://other/\n\n',
    'RTSP/1.0 302 Found\n\n',
    'RTSP/1.0 200 OK\n$\0\0\0\n\n',
    'RTSP/1.0 200 OK\nContent-Length: -5\n\n',
    'RTSP/1.0 200 OK\nContent-Length: 99999999\n\n',
    `RTSP/1.0 200 OK\nX: ${'x'.repeat(5_000)}\n\n`,
    `RTSP/1.0 200 OK\n${'X: x\n'.repeat(5_000)}`,
  ]) {
    await assert.rejects(passed(text), Error, JSON.stringify(text.slice(0, 60)))
  }
  assert.equal(
    await passed('RTSP/1.0 302 Found\nLocation: rtsp://camera/\n\n'),
    'RTSP/1.0 302 Found\r\nLocation: rtsp://gateway/\r\n\r\n',
  )
})

test('another process of this machine gets nothing from the gateway, and takes no place of FFmpeg', async (t) => {
  const camera = await startServer(t, '127.0.0.1', () => ['RTSP/1.0 404 Not Found'])
  const gateway = await RtspGateway.start(`rtsp://127.0.0.1:${camera.port}/`, {}, { signal: t.signal })
  t.after(() => gateway[Symbol.asyncDispose]())
  const { port } = new URL(gateway.url)
  // more often than the gateway accepts connections at all
  const stranger = `
    import { connect } from 'node:net'
    for (let i = 0; i < 8; i++) {
      const socket = connect(${port}, '127.0.0.1').on('error', () => {})
      socket.on('data', (data) => process.stdout.write(data))
      socket.write('OPTIONS * RTSP/1.0\\r\\nCSeq: 1\\r\\n\\r\\n')
      await new Promise((resolve) => socket.on('close', resolve))
    }`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', stranger], {
    timeout: 20_000,
  })
  assert.equal(stdout, '')
  assert.deepEqual(camera.requests, [])
  const own = connect(Number(port), '127.0.0.1')
  t.after(() => own.destroy())
  own.write('OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n')
  assert.match(String(await once(own, 'data')), /^RTSP\/1.0 404/)
})
