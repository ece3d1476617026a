import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { openProgram } from '#services/audio/speaker/sinks/program.ts'
import { openWav } from '#services/audio/speaker/sinks/wav.ts'
import { Speaker } from '#services/audio/speaker/speaker.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { chirp, correlation } from '../signals.ts'

/** A speaker with a source of chirps. */
function play(t: TestContext, openSink: ConstructorParameters<typeof Speaker>[0]['openSink']) {
  const log = createLogger('test', { write() {} })
  const drops = createEventCounter(log, 'dropped')
  let position = 0
  const due: number[] = []
  const source = {
    kind: 'talk' as const,
    active: true,
    due,
    next(at: number) {
      due.push(at)
      const block = Int16Array.from({ length: 960 }, (_, i) => chirp((position + i) / 48_000))
      position += 960
      return block
    },
  }
  const retry = { first: 20, cap: 100, least: 10 }
  const speaker = new Speaker({ type: 'exec', openSink, sources: [source], volume: 1, drops, log, retry })
  t.after(async () => {
    await speaker[Symbol.asyncDispose]()
    drops[Symbol.dispose]()
  })
  speaker.wake()
  return { speaker, source, drops }
}

const isOk = ({ summary }: Speaker) => summary.ok === true

test('a WAV file holds what was played', async (t) => {
  const path = join(temporaryFolder(t), 'heard.wav')
  const { speaker, source } = play(t, openWav(path))
  await until(() => isOk(speaker))
  // 3 s of sound, however long that takes here
  await until(() => readFileSync(path).length > 3 * 96_000, { deadline: 30_000 })
  source.active = false
  await speaker[Symbol.asyncDispose]()
  const wav = readFileSync(path)
  assert.equal(wav.toString('latin1', 0, 4), 'RIFF')
  assert.equal(wav.readUInt32LE(40), wav.length - 44)
  const heard = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length))
  assert.ok(correlation(heard) > 0.99, String(correlation(heard)))
})

test('the device is closed after the sound, and opened again for the next', async (t) => {
  const folder = temporaryFolder(t)
  const starts = join(folder, 'starts')
  const command = ['sh', '-c', `echo x >> ${starts}; exec cat > /dev/null`]
  const { speaker, source } = play(t, openProgram(command))
  await until(() => isOk(speaker))
  source.active = false
  await until(() => speaker.summary.ok === null && speaker.playing === null, { deadline: 10_000 })
  source.active = true
  speaker.wake()
  await until(() => isOk(speaker))
  assert.equal(readFileSync(starts, 'utf8'), 'x\nx\n')
})

test('a missing program is reported and retried, and plays when it is there', async (t) => {
  const script = join(temporaryFolder(t), 'player')
  const { speaker, drops } = play(t, openProgram([script]))
  await until(() => speaker.summary.error === `cannot run ${script}: not found`)
  assert.equal(speaker.summary.ok, false)
  await until(() => (drops.totals['speaker not available'] ?? 0) > 0)
  writeFileSync(script, '#!/bin/sh\nexec cat > /dev/null\n')
  chmodSync(script, 0o755)
  await until(() => isOk(speaker))
  assert.equal(speaker.summary.error, null)
})

test('a busy device is reported with its own words', async (t) => {
  const command = ['sh', '-c', 'echo "audio open error: Device or resource busy" >&2; exit 1']
  const { speaker } = play(t, openProgram(command))
  await until(() => speaker.summary.error !== null)
  assert.equal(speaker.summary.error, 'sh exited with code 1 audio open error: Device or resource busy')
  const { retries } = speaker.summary
  await until(() => speaker.summary.retries > retries)
  assert.equal(speaker.summary.ok, false)
})

test('a program that dies is started again', async (t) => {
  const { speaker } = play(t, openProgram(['sh', '-c', 'sleep 0.7; exit 3']))
  await until(() => isOk(speaker))
  await until(() => speaker.summary.ok === false)
  assert.match(speaker.summary.error ?? '', /exited with code 3/)
  await until(() => isOk(speaker))
})

test('a program that reads nothing is opened again, and blocks nothing', async (t) => {
  const { speaker, drops } = play(t, openProgram(['sleep', '60']))
  let turns = 0
  const timer = setInterval(() => turns++, 5)
  await until(() => speaker.summary.error === 'takes no sound for 1 s', { deadline: 30_000 })
  clearInterval(timer)
  assert.ok(turns > 50, `${turns} turns of the event loop`)
  assert.ok((drops.totals['speaker too slow'] ?? 0) > 0)
})

test('a folder that is missing is reported', async (t) => {
  const { speaker } = play(t, openWav(join(temporaryFolder(t), 'none', 'x.wav')))
  await until(() => /cannot write: ENOENT/.test(speaker.summary.error ?? ''))
})

test('a process that is delayed plays each block for the time at which it was due', async (t) => {
  const { source } = play(t, openProgram(['sh', '-c', 'exec cat > /dev/null']))
  await until(() => source.due.length > 5)
  const count = source.due.length
  for (const end = performance.now() + 70; performance.now() < end; );
  await until(() => source.due.length > count + 6)
  const intervals = source.due.slice(1).map((at, i) => at - (source.due[i] ?? 0))
  // longer where the machine itself was late
  assert.ok(
    intervals.slice(0, count + 2).filter((ms) => Math.abs(ms - 20) < 0.01).length >= count,
    intervals.join(),
  )
})

test('what arrives during a delay of the process is played, not taken for missing', async (t) => {
  const { source } = play(t, openProgram(['sh', '-c', 'exec cat > /dev/null']))
  await until(() => source.due.length > 5)
  const server = createServer().listen(join(temporaryFolder(t), 'socket'))
  await once(server, 'listening')
  const far = connect(String(server.address()))
  const [near] = (await once(server, 'connection')) as [Socket]
  t.after(() => {
    far.destroy()
    near.destroy()
    server.close()
  })
  const order: string[] = []
  near.on('data', () => order.push('packet'))
  const next = source.next.bind(source)
  const recorded = (at: number) => {
    order.push('block')
    return next(at)
  }
  // between two blocks, where the event loop goes on with the timers
  source.next = (at) => {
    source.next = recorded
    setImmediate(() => {
      far.write('x')
      for (const end = performance.now() + 45; performance.now() < end; );
    })
    return next(at)
  }
  await until(() => order.includes('packet') && order.includes('block'))
  assert.equal(order[0], 'packet')
})
