import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { Camera } from '#services/vision/camera/camera.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { writeClip } from '../../../../demo/clip-writer.ts'

const FPS = 15
const SECOND = 1_000

/** The files of a folder over HTTP, from the middle too where `ranges`. Resolves with its address. */
async function serve(t: TestContext, folder: string, { ranges }: { ranges: boolean }): Promise<string> {
  const server = createServer((request, response) => {
    const path = join(folder, String(request.url))
    if (!existsSync(path)) return void response.writeHead(404).end()
    const range = ranges ? /bytes=(\d+)-/.exec(String(request.headers.range)) : null
    send(response, path, range ? Number(range[1]) : undefined)
  })
  closeAfter(t, () => {
    server.closeAllConnections()
    server.close()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function send(response: ServerResponse, path: string, from: number | undefined): void {
  const { size } = statSync(path)
  const body = readFileSync(path).subarray(from ?? 0)
  const headers = { 'content-length': body.length }
  if (from === undefined) response.writeHead(200, headers)
  else response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${size - 1}/${size}` })
  response.end(body)
}

/** Looks at it from its first picture on, for so long: was it ever lost, and when did its pictures come? */
async function watch(t: TestContext, url: string, during: number) {
  const times: number[] = []
  const edges: boolean[] = []
  const begun = Promise.withResolvers<void>()
  const camera = new Camera({
    settings: {
      source: { type: 'url', url, loop: true },
      width: 1280,
      height: 720,
      fps: 60,
      rotate: 0,
      flip: 'none',
    },
    captureFrom,
    log: createLogger('test', { write() {} }),
  })
  camera.on('frame', ({ live, at }) => {
    if (!live) return
    times.push(at)
    begun.resolve()
  })
  camera.on('edge', (ok) => void edges.push(ok))
  camera.start()
  closeAfter(t, () => camera[Symbol.asyncDispose]())
  await begun.promise
  await sleep(during)
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0))
  return {
    lost: edges.filter((ok) => !ok).length,
    rate: (times.length * SECOND) / during,
    gap: Math.max(...gaps),
  }
}

for (const ranges of [true, false]) {
  const how = ranges ? 'can begin in the middle' : 'sends whole files only'
  test(`a recording from a server that ${how} plays like a file, again and again`, async (t) => {
    const folder = temporaryFolder(t)
    await writeClip(join(folder, 'clip.mp4'), Array(FPS).fill(Buffer.alloc(1280 * 720 * 4, 0x77)))
    const seen = await watch(t, `${await serve(t, folder, { ranges })}/clip.mp4`, 5 * SECOND)
    t.diagnostic(JSON.stringify(seen))
    assert.equal(seen.lost, 0)
    assert.ok(seen.rate > FPS * 0.7 && seen.rate < FPS * 1.2, `${seen.rate} pictures a second`)
  })
}

test('HLS of a camera is shown at its own rate and never lost', {
  skip: without('ffmpeg'),
  timeout: 60_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const list = join(folder, 'live.m3u8')
  const camera = spawn(
    'ffmpeg',
    [
      ...['-loglevel', 'error', '-re', '-f', 'lavfi', '-i', `testsrc=size=320x240:rate=${FPS}`],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-g', String(2 * FPS)],
      ...['-f', 'hls', '-hls_time', '2', '-hls_list_size', '4', '-hls_flags', 'delete_segments', list],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  closeAfter(t, () => camera.kill('SIGKILL'))
  const listed = () => (existsSync(list) ? readFileSync(list, 'utf8') : '')
  await until(() => listed().split('.ts').length >= 4, { deadline: 30_000, show: listed })
  const seen = await watch(t, `${await serve(t, folder, { ranges: true })}/live.m3u8`, 15 * SECOND)
  t.diagnostic(JSON.stringify(seen))
  assert.equal(seen.lost, 0)
  assert.ok(seen.rate > FPS * 0.7 && seen.rate < FPS * 1.3, `${seen.rate} pictures a second`)
  assert.ok(seen.gap < 1.5 * SECOND, `${seen.gap} ms without a picture`)
})
