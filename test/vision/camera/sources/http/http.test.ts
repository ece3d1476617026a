import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import dns from 'node:dns'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsSocketServer } from 'node:tls'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { VisionSection } from '#services/vision/config.ts'
import { JpegEncoder } from '#services/vision/encode/jpeg.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { plainFrame } from '#test/vision/frames.ts'

const SIZE = { width: 64, height: 48 }

async function jpeg(): Promise<Buffer> {
  using encoder = await JpegEncoder.open(SIZE)
  using pixels = plainFrame(SIZE, [200, 60, 40])
  return await encoder.encode(pixels)
}

/** Captures until there are so many frames; rejects as the source does. Returns the size of the last. */
async function capture(t: TestContext, source: object, frames: number, maxPixels?: number): Promise<string> {
  const ending = new AbortController()
  let count = 0
  let size = ''
  await captureFrom(VisionSection.parse({ source: { type: 'url', ...source } }).source)({
    width: 640,
    height: 360,
    fps: 50,
    maxPixels,
    signal: AbortSignal.any([t.signal, ending.signal]),
    emit(pixels) {
      size = `${pixels.width}x${pixels.height}`
      pixels.free()
      if (++count === frames) ending.abort()
    },
  })
  assert.ok(count >= frames, `${count} frames of ${frames}`)
  return size
}

async function listen(t: TestContext, server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await once(server.listen(0, host), 'listening')
  return (server.address() as AddressInfo).port
}

const serve = (t: TestContext, listener: RequestListener, host?: string) =>
  listen(t, createServer(listener), host)

/** A camera that answers every connection with these bytes and then `part` again and again. */
async function rawCamera(t: TestContext, head: string, part: (jpeg: Buffer) => (string | Buffer)[]) {
  const file = await jpeg()
  const server = createTcpServer((socket) => {
    socket.once('data', () => {
      socket.write(head)
      const timer = setInterval(() => {
        for (const piece of part(file)) socket.write(piece)
      }, 10)
      socket.on('close', () => clearInterval(timer))
    })
  })
  return `http://127.0.0.1:${await listen(t, server)}/video`
}

const MULTIPART = 'HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n'
const typed = (file: Buffer, length = file.length) =>
  `Content-Type: image/jpeg\r\nContent-Length: ${length}\r\n\r\n`

const CAMERAS: Record<string, [head: string, part: (file: Buffer) => (string | Buffer)[]]> = {
  'the boundary twice': [
    `${MULTIPART}\r\n`,
    (file) => [`--frame\r\n--frame\r\n${typed(file)}`, file, '\r\n'],
  ],
  'a first part without a boundary': [`${MULTIPART}\r\n`, (file) => [typed(file), file, '\r\n--frame\r\n']],
  'parts without a length': [
    `${MULTIPART}\r\n`,
    (file) => ['--frame\r\nContent-Type: image/jpeg\r\n\r\n', file, '\r\n'],
  ],
  'a length that is too large': [
    `${MULTIPART}\r\n`,
    (file) => [`--frame\r\n${typed(file, file.length + 777)}`, file, Buffer.alloc(777), '\r\n'],
  ],
  'another boundary than announced': [
    `${MULTIPART}\r\n`,
    (file) => [`----other\r\n${typed(file)}`, file, '\r\n'],
  ],
  'a negative length of the whole': [
    `${MULTIPART}Content-Length: -1\r\n\r\n`,
    (file) => [`--frame\r\n${typed(file)}`, file, '\r\n'],
  ],
  'bare JPEG files as octet-stream': [
    'HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n',
    (file) => [file],
  ],
  'no type at all': ['HTTP/1.0 200 OK\r\n\r\n', (file) => [file]],
}

for (const [name, [head, part]] of Object.entries(CAMERAS)) {
  test(`MJPEG over HTTP plays with ${name}`, async (t) => {
    assert.equal(await capture(t, { url: await rawCamera(t, head, part) }, 5), '64x48')
  })
}

test('a camera that only FFmpeg can read is read at the address of the first lookup, under its name', async (t) => {
  const hosts: (string | undefined)[] = []
  const file = await jpeg()
  const server = createTcpServer((socket) => {
    socket.once('data', (request) => {
      hosts.push(/^Host: (.*)\r$/im.exec(String(request))?.[1])
      socket.write(`${MULTIPART}Content-Length: -1\r\n\r\n`)
      for (let i = 0; i < 20; i++)
        for (const part of [`--frame\r\n${typed(file)}`, file, '\r\n']) socket.write(part)
    })
  })
  const port = await listen(t, server)
  let lookups = 0
  type Done = (err: null, address: string, family: number) => void
  t.mock.method(dns, 'lookup', (_name: string, done: Done) => {
    lookups++
    done(null, '127.0.0.1', 4)
  })
  syncBuiltinESMExports()
  t.after(syncBuiltinESMExports)
  // a name that no resolver knows: RFC 6761 §6.4
  await capture(t, { url: `http://camera.invalid:${port}/video` }, 5)
  assert.equal(lookups, 1)
  assert.deepEqual(hosts, Array(2).fill(`camera.invalid:${port}`))
})

test('a snapshot address is read again at the frame rate', async (t) => {
  const file = await jpeg()
  let requests = 0
  const port = await serve(t, (_, response) => {
    requests++
    response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': file.length }).end(file)
  })
  await capture(t, { url: `http://127.0.0.1:${port}/snapshot.jpg` }, 6)
  assert.ok(requests >= 6, `${requests}`)
})

/** A machine of the home network that no camera may make the robot contact. */
async function bystander(t: TestContext) {
  let connections = 0
  const server = createTcpServer((socket) => {
    connections++
    socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsecret')
  })
  return { port: await listen(t, server, '127.0.0.2'), contacted: () => connections }
}

test('a redirect is followed on the host of the camera, and nowhere else', async (t) => {
  const { port: other, contacted } = await bystander(t)
  const file = await jpeg()
  const port = await serve(t, (request, response) => {
    const location = request.url === '/away' ? `http://127.0.0.2:${other}/admin` : '/snapshot'
    if (request.url === '/snapshot') response.writeHead(200, { 'content-type': 'image/jpeg' }).end(file)
    else response.writeHead(302, { location }).end()
  })
  await capture(t, { url: `http://127.0.0.1:${port}/home` }, 2)
  await assert.rejects(
    capture(t, { url: `http://127.0.0.1:${port}/away` }, 1),
    (err) =>
      err instanceof UnavailableError && err.message === 'cannot open: the camera refers to another host',
  )
  for (const location of ['file:///etc/passwd', 'rtsp://127.0.0.2:554/', 'ftp://127.0.0.2/']) {
    const server = await serve(t, (_, response) => void response.writeHead(302, { location }).end())
    await assert.rejects(capture(t, { url: `http://127.0.0.1:${server}/` }, 1), /another host/)
  }
  assert.equal(contacted(), 0)
})

test('a playlist reaches neither other hosts nor files', async (t) => {
  const { port: other, contacted } = await bystander(t)
  for (const uri of [
    `http://127.0.0.2:${other}/segment.ts`,
    `//127.0.0.2:${other}/segment.ts`,
    'file:///etc/passwd',
    'concat:/etc/passwd|/etc/hostname',
    `rtp://127.0.0.2:${other}`,
    'data:video/mp2t;base64,R0AAEA==',
  ]) {
    for (const line of [
      uri,
      `#EXT-X-KEY:METHOD=AES-128,URI="${uri}"\nsegment.ts`,
      `#EXT-X-MAP:URI="${uri}"\nsegment.ts`,
    ]) {
      const port = await serve(t, (request, response) => {
        if (!request.url?.endsWith('.m3u8')) return void response.writeHead(404).end()
        const body = `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${line}\n#EXT-X-ENDLIST\n`
        response.writeHead(200, { 'content-type': 'application/vnd.apple.mpegurl' }).end(body)
      })
      await assert.rejects(
        capture(t, { url: `http://127.0.0.1:${port}/live.m3u8` }, 1),
        UnavailableError,
        line,
      )
    }
  }
  assert.equal(contacted(), 0)
})

/** A camera whose `/live.m3u8` is this playlist; other paths are answered by `rest`, as video whatever they are. */
async function hlsCamera(
  t: TestContext,
  playlist: string,
  rest: Record<string, string> = {},
): Promise<string> {
  const head = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n'
  const port = await serve(t, (request, response) => {
    const body = request.url === '/live.m3u8' ? playlist : rest[request.url ?? '']
    if (body === undefined) return void response.writeHead(404).end()
    const type = request.url === '/live.m3u8' ? 'application/vnd.apple.mpegurl' : 'video/mp2t'
    response.writeHead(200, { 'content-type': type }).end(head + body)
  })
  return `http://127.0.0.1:${port}/live.m3u8`
}

const HIDDEN: Record<string, (away: string) => [playlist: string, rest?: Record<string, string>]> = {
  'behind a carriage return': (away) => [`#EXTINF:2,\n#\r${away}\n#EXT-X-ENDLIST\n`],
  'behind a NUL': (away) => [`#EXTINF:2,\n#\0${away}\n#EXT-X-ENDLIST\n`],
  'as a key without quotes': (away) => [
    `#EXT-X-KEY:METHOD=AES-128,URI=${away}\n#EXTINF:2,\nsegment.ts\n#EXT-X-ENDLIST\n`,
  ],
  'as a map without quotes': (away) => [`#EXT-X-MAP:URI=${away}\n#EXTINF:2,\nsegment.ts\n#EXT-X-ENDLIST\n`],
  'in a variant that is no playlist by its type': (away) => [
    '#EXT-X-STREAM-INF:BANDWIDTH=1\nvariant.ts\n',
    { '/variant.ts': `#EXTINF:2,\n${away}\n#EXT-X-ENDLIST\n` },
  ],
  'as a variant': (away) => [`#EXT-X-STREAM-INF:BANDWIDTH=1\n${away}\n`],
  'as a rendition': (away) => [
    `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI=${away}\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\nvariant.ts\n`,
    { '/variant.ts': '#EXTINF:2,\nsegment.ts\n#EXT-X-ENDLIST\n' },
  ],
}

for (const [how, write] of Object.entries(HIDDEN)) {
  test(`an address of another host ${how} in a playlist is not contacted`, async (t) => {
    const { port, contacted } = await bystander(t)
    for (const suffix of ['segment.ts', 'segment.m3u8']) {
      const url = await hlsCamera(t, ...write(`http://127.0.0.2:${port}/${suffix}`))
      await assert.rejects(capture(t, { url }, 1), UnavailableError)
    }
    assert.equal(contacted(), 0)
  })
}

test('what is not video is neither drawn nor opened: text, HTML, SDP, playlists of FFmpeg', async (t) => {
  const bodies: [string, string][] = [
    ['text/plain', 'root:x:0:0:root:/root:/bin/sh\n'.repeat(50)],
    ['text/html', '<html><body>router</body></html>'],
    [
      'application/sdp',
      'v=0\no=- 1 1 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n',
    ],
    ['video/mp4', "ffconcat version 1.0\nfile '/etc/passwd'\n"],
    ['video/mp4', '#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n'],
  ]
  for (const [type, body] of bodies) {
    for (const path of ['setup.txt', 'setup.mp4', 'setup.sdp', 'setup']) {
      const port = await serve(
        t,
        (_, response) => void response.writeHead(200, { 'content-type': type }).end(body),
      )
      await assert.rejects(
        capture(t, { url: `http://127.0.0.1:${port}/${path}` }, 1),
        UnavailableError,
        `${type} ${path}`,
      )
    }
  }
})

test('the certificate of an https camera is verified, with an own authority, or not at all on request', async (t) => {
  const folder = temporaryFolder(t)
  const { cert: ca, key } = certify(folder, 'camera')
  const file = await jpeg()
  const port = await listen(
    t,
    createTlsServer({ cert: readFileSync(ca), key: readFileSync(key) }, (_, response) => {
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end(file)
    }),
  )
  const url = `https://127.0.0.1:${port}/snapshot`
  await assert.rejects(capture(t, { url }, 1), /certificate not trusted/)
  await assert.rejects(
    capture(t, { url, ca: join(folder, 'none.pem') }, 1),
    /source\.ca: cannot read.*ENOENT/,
  )
  await capture(t, { url, ca }, 2)
  await capture(t, { url, tls_insecure: true }, 2)
})

test('the certificate of an rtsps camera is verified before anything is sent', async (t) => {
  const { cert: ca, key } = certify(temporaryFolder(t), 'camera')
  const requests: string[] = []
  const server = createTlsSocketServer({ cert: readFileSync(ca), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => {})
    socket.once('data', (data) => {
      requests.push(String(data).slice(0, 7))
      socket.end()
    })
  })
  const url = `rtsps://127.0.0.1:${await listen(t, server)}/live`
  await assert.rejects(capture(t, { url }, 1), UnavailableError)
  assert.deepEqual(requests, [])
  await assert.rejects(capture(t, { url, ca }, 1), UnavailableError)
  await assert.rejects(capture(t, { url, tls_insecure: true }, 1), UnavailableError)
  assert.deepEqual(requests, ['OPTIONS', 'OPTIONS'])
})

test('a password is sent only when the camera asks for it, by Digest or Basic', async (t) => {
  const md5 = (text: string) => createHash('md5').update(text).digest('hex')
  const file = await jpeg()
  const seen: (string | undefined)[] = []
  const port = await serve(t, (request, response) => {
    const { authorization } = request.headers
    seen.push(authorization?.split(' ')[0])
    const digest = /^Digest .*nonce="abc".*nc=(\w+), cnonce="(\w+)"/.exec(authorization ?? '')
    const expected = digest
      ? md5(`${md5('user:cam:p@ss')}:abc:${digest[1]}:${digest[2]}:auth:${md5(`GET:${request.url}`)}`)
      : ''
    const isRight =
      request.url === '/digest'
        ? authorization?.includes(`response="${expected}"`)
        : authorization === `Basic ${Buffer.from('user:p@ss').toString('base64')}`
    const challenge =
      request.url === '/digest' ? 'Digest realm="cam", nonce="abc", qop="auth"' : 'Basic realm="cam"'
    if (isRight) response.writeHead(200, { 'content-type': 'image/jpeg' }).end(file)
    else response.writeHead(401, { 'www-authenticate': challenge }).end()
  })
  for (const path of ['digest', 'basic']) {
    await capture(t, { url: `http://user:p%40ss@127.0.0.1:${port}/${path}` }, 2)
    await assert.rejects(capture(t, { url: `http://user:wrong@127.0.0.1:${port}/${path}` }, 1), /HTTP 401/)
    assert.equal(seen[0], undefined, 'nothing before the camera asks')
  }
  await assert.rejects(capture(t, { url: `http://127.0.0.1:${port}/basic` }, 1), /HTTP 401/)
})

test('a frame with too many pixels is rejected before it is decoded', async (t) => {
  const file = await jpeg()
  const bomb = Buffer.from(file)
  // the frame header claims 12000×12000. ITU-T T.81 B.2.2
  const header = bomb.indexOf(Buffer.from([0xff, 0xc0]))
  bomb.writeUInt16BE(12_000, header + 5)
  bomb.writeUInt16BE(12_000, header + 7)
  const port = await serve(
    t,
    (_, response) => void response.writeHead(200, { 'content-type': 'image/jpeg' }).end(bomb),
  )
  const before = process.memoryUsage().rss
  await assert.rejects(
    capture(t, { url: `http://127.0.0.1:${port}/bomb.jpg` }, 1),
    /a frame \(12000x12000\) is larger than vision\.max_pixels \(9437184\)/,
  )
  assert.ok(process.memoryUsage().rss - before < 100 * 1024 * 1024)
  await assert.rejects(
    capture(t, { url: 'demo/clip.mp4' }, 1, 640 * 360),
    /larger than vision\.max_pixels \(230400\)/,
  )
})
