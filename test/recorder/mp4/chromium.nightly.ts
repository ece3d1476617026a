/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { createReadStream, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { launchBrowser } from '#dev/harness/browser.ts'
import { frameSize, parameterSets } from '#services/recorder/mp4/h264.ts'
import { MovieWriter } from '#services/recorder/mp4/movie-writer.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { codedFrames, soundPackets } from '../coded-frames.ts'

/** A server of files with ranges, as browsers need for a video. */
async function serve(t: TestContext, folder: string): Promise<string> {
  const server = createServer((request, response) => {
    if (!request.url?.endsWith('.mp4')) {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<video muted></video>')
      return
    }
    const path = join(folder, request.url)
    const { size } = statSync(path)
    const [, start = '0', last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const end = last ? Number(last) : size - 1
    response.writeHead(206, {
      'Content-Type': 'video/mp4',
      'Accept-Ranges': 'bytes',
      'Content-Length': end - Number(start) + 1,
      'Content-Range': `bytes ${start}-${end}/${size}`,
    })
    createReadStream(path, { start: Number(start), end }).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('Chromium plays a finished clip, one that grows, and one that was cut off', {
  skip: without('chromium'),
}, async (t) => {
  const folder = temporaryFolder(t)
  const frames = await codedFrames({ count: 100 })
  const sound = await soundPackets(400, 0)
  const [first] = frames
  const sets = first && parameterSets(first.data)
  assert.ok(first && sets)
  const pieces: Buffer[] = []
  const movie = new MovieWriter({
    ...{ first, ...sets, ...frameSize(sets.sps), hasSound: true },
    write: (piece) => pieces.push(piece) > 0,
    sounds: (after, before) => sound.filter(({ at }) => at > after && at < before),
  })
  for (const frame of frames) movie.add(frame)
  const growing = Buffer.concat(pieces)
  writeFileSync(join(folder, 'growing.mp4'), growing)
  writeFileSync(join(folder, 'cut.mp4'), Buffer.concat([growing, Buffer.from('0000ffff6d6f6f66', 'hex')]))
  const patches = movie.finish()
  const finished = Buffer.concat(pieces)
  for (const { at, data } of patches) data.copy(finished, at)
  writeFileSync(join(folder, 'finished.mp4'), finished)

  const url = await serve(t, folder)
  await using browser = await launchBrowser()
  const page = await browser.newPage()
  await page.goto(url)
  const play = (file: string, from: number) =>
    page.evaluate(
      async ([src, start]) => {
        const video = document.querySelector('video')
        if (!video) throw new Error('no video')
        const event = (name: string) =>
          new Promise((resolve, reject) => {
            video.addEventListener(name, resolve, { once: true })
            video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true })
          })
        video.src = src
        await event('loadeddata')
        const { duration } = video
        video.currentTime = start
        await event('seeked')
        const shown = event('ended')
        await video.play()
        await shown
        return { duration, end: video.currentTime, width: video.videoWidth }
      },
      [file, from] as const,
    )
  const whole = await play('/finished.mp4', 5)
  assert.ok(Math.abs(whole.duration - 100 / 15) < 0.1, `${whole.duration} s`)
  assert.deepEqual([whole.width, Math.round(whole.end * 10)], [128, 67])
  // three fragments of 2 s
  for (const file of ['/growing.mp4', '/cut.mp4'])
    assert.ok(Math.abs((await play(file, 4)).end - 6) < 0.1, file)
})
