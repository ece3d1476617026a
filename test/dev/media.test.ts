import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { uploadClip } from '#services/recorder/upload/upload-clip.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { ROBOT, relayFor } from './peers.ts'

const TOKEN = 'page-token-of-the-test'

/** A relay with a robot, and a clip whose bytes look like delimiters here and there. */
async function relayWithClip(t: TestContext, bytes = 300_000) {
  const dataDir = temporaryFolder(t)
  const relay = await relayFor(t, { token: TOKEN }, {}, dataDir)
  await relay.robot()
  const content = Buffer.concat([randomBytes(bytes), Buffer.from('\r\n--\r\n------\r\n'), randomBytes(bytes)])
  const path = join(dataDir, 'clip.mp4')
  writeFileSync(path, content)
  const url = `http://${relay.address}`
  const upload = (fields: Partial<Parameters<typeof uploadClip>[0]> = {}) =>
    uploadClip({
      relay: new URL(`ws://${relay.address}/ws/device`),
      deviceId: ROBOT,
      path,
      filename: 'clip.mp4',
      ...fields,
    })
  const download = (
    address: string,
    headers: Record<string, string> = { Authorization: `Bearer ${TOKEN}` },
  ) => fetch(url + address, { headers })
  return { ...relay, url, content, dataDir, upload, download }
}

test('what a robot uploads an app downloads, whole and in parts', async (t) => {
  const { upload, download, content } = await relayWithClip(t)
  const address = await upload()
  assert.match(address, /^\/api\/media\/[0-9a-f-]{36}\.mp4$/)
  const whole = await download(address)
  assert.equal(whole.headers.get('content-type'), 'video/mp4')
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(content))
  const part = await download(address, { Authorization: `Bearer ${TOKEN}`, Range: 'bytes=100-199' })
  assert.equal(part.status, 206)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(content.subarray(100, 200)))
  assert.equal(
    (await download(address, { Authorization: `Bearer ${TOKEN}`, Range: 'bytes=9999999-' })).status,
    416,
  )
})

test('a recording is for clients that are logged in', async (t) => {
  const { upload, download } = await relayWithClip(t)
  const address = await upload()
  assert.equal((await download(address, {})).status, 403)
  assert.equal((await download(address, { Authorization: 'Bearer wrong' })).status, 403)
  assert.equal((await download('/api/media/00000000-0000-0000-0000-000000000000.mp4')).status, 404)
})

test('only the oldest is deleted for a new one', async (t) => {
  const { upload, download, dataDir } = await relayWithClip(t, 100)
  const addresses = []
  for (let n = 0; n < 9; n++) addresses.push(await upload())
  assert.equal((await download(addresses[0] ?? '')).status, 404)
  assert.equal((await download(addresses[1] ?? '')).status, 200)
  assert.equal(readdirSync(join(dataDir, 'relay/media')).length, 8)
})

test('a form that is none is refused, and leaves no file', async (t) => {
  const { url, upload, dataDir } = await relayWithClip(t, 100)
  const post = (body: string, type = 'multipart/form-data; boundary=x') =>
    fetch(`${url}/api/media/upload`, { method: 'POST', body, headers: { 'Content-Type': type } })
  assert.equal((await post('{}', 'application/json')).status, 415)
  const file = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nabc'
  for (const body of [
    '',
    '--x--',
    file,
    `${file}\r\n--x--`,
    `${file}\r\n${file}\r\n--x--`,
    `--x\r\n${'h'.repeat(9_000)}`,
  ]) {
    const { status } = await post(body)
    assert.ok(status === 400 || status === 404, `${status} for ${body.slice(0, 40)}`)
  }
  await assert.rejects(upload({ deviceId: 'another' }), /upload to the relay failed: HTTP 404/)
  assert.deepEqual(readdirSync(join(dataDir, 'relay/media')), [])
  assert.equal((await fetch(`${url}/api/media/upload`)).status, 405)
})

/** A relay that answers uploads with these statuses, one after another. */
async function answering(t: TestContext, statuses: (number | 'hang')[]) {
  const seen: number[] = []
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => {
      const status = statuses[Math.min(seen.length, statuses.length - 1)] ?? 500
      seen.push(performance.now())
      if (status === 'hang') return
      const body = status === 200 ? { download_url: '/api/media/x', filename: 'x', size: 1 } : { error: 'no' }
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const path = join(temporaryFolder(t), 'clip.mp4')
  writeFileSync(path, 'movie')
  const relay = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`)
  const upload = (window?: number) =>
    uploadClip({ relay, deviceId: ROBOT, path, filename: 'clip.mp4', window })
  return { seen, upload }
}

test('an upload is retried while that may help', async (t) => {
  const { seen, upload } = await answering(t, [503, 200])
  assert.equal(await upload(), '/api/media/x')
  assert.equal(seen.length, 2)
})

test('an upload that is refused is not retried', async (t) => {
  const { seen, upload } = await answering(t, [413])
  await assert.rejects(upload(), /upload to the relay failed: HTTP 413/)
  assert.equal(seen.length, 1)
})

test('a relay that answers or goes before the end of an upload ends it, with nothing left open', async (t) => {
  const unhandled: unknown[] = []
  const note = (err: unknown) => void unhandled.push(err)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  const path = join(temporaryFolder(t), 'clip.mp4')
  const openFiles = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path)
      } catch {
        return false
      }
    })
  const server = createServer((_request, response) => response.writeHead(413).end())
  let isClosing = false
  server.on('connection', (socket) => void (isClosing && socket.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const relay = new URL(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws/device`)
  const upload = (window: number) => {
    writeFileSync(path, Buffer.alloc(3_000_000))
    return uploadClip({ relay, deviceId: ROBOT, path, filename: 'clip.mp4', window })
  }
  await assert.rejects(upload(10_000), /HTTP 413/)
  // the answer may be lost in the error of the connection, and the next attempt finds no file
  const withoutFile = upload(3_000)
  setImmediate(() => rmSync(path))
  await assert.rejects(withoutFile, /HTTP 413|ENOENT/)
  isClosing = true
  await assert.rejects(upload(500), /ECONNRESET|EPIPE|socket hang up/)
  await until(() => openFiles().length === 0)
  assert.deepEqual(unhandled, [])
})

test('an upload that hangs ends with its window', async (t) => {
  const { upload } = await answering(t, ['hang'])
  await assert.rejects(upload(300), /upload to the relay failed: no answer within/)
})

test('an upload that is cut off leaves no file open', async (t) => {
  const { url, dataDir } = await relayWithClip(t, 100)
  const folder = join(dataDir, 'relay/media')
  const openFiles = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)
      } catch {
        return false // closed in between
      }
    }).length
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const head = ['POST /api/media/upload HTTP/1.1', 'Host: relay', 'Content-Length: 100000']
  const part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
  socket.write(`${[...head, 'Content-Type: multipart/form-data; boundary=x'].join('\r\n')}\r\n\r\n${part}abc`)
  socket.write('d'.repeat(1_000))
  await until(() => openFiles() === 1)
  socket.destroy()
  await until(() => openFiles() === 0 && readdirSync(folder).length === 0)
})
