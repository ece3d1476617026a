import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { EVENT_TYPES } from '#bus/events.ts'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { endProcess } from '#dev/harness/end-process.ts'
import { openDispenser } from '#services/simulator/index.ts'
import { startTestAudio } from '#test/audio/start-audio.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { type MemoryBus, memoryBus } from '#test/helpers/memory-bus.ts'
import { withoutPaho } from '#test/helpers/tools.ts'
import { startTestRecorder } from '#test/recorder/start-recorder.ts'
import { startTestVision } from '#test/vision/start-vision.ts'
import { online, startBridge } from '../bridge.ts'
import { checkCasts, TEXT_DATA } from './app-casts.ts'

/** Code that publishes on `event/…`, apart from the bridge itself. */
const PUBLISHERS = [
  'examples/treat-dispenser.ts',
  'examples/treat_dispenser.py',
  'services/audio/clips/clip-commands.ts',
  'services/recorder/commands/record-video.ts',
  'services/recorder/index.ts',
  'services/simulator/index.ts',
  'services/vision/commands/take-photo.ts',
  'services/vision/index.ts',
  'services/vision/privacy/privacy-switch.ts',
  'services/vision/track/detection-events.ts',
]

test('the events of every publisher are looked at here', () => {
  const publishes = /publish\(\s*(?:topics\.event\b|f?"[^"]*event\/)/
  const found = globSync('{services,commands,lib,broker,examples}/**/*.{ts,py}').filter((path) =>
    publishes.test(readFileSync(path, 'utf8')),
  )
  assert.deepEqual(found.sort(), PUBLISHERS)
})

/** A relay that a bridge on this bus sends its events to, as text. */
async function startRelay(t: TestContext, memory: MemoryBus) {
  const relay = await fakeRelay(t)
  const { link } = await startBridge(t, relay, { memory })
  const robot = await relay.robot()
  const texts: string[] = []
  robot.socket.prependListener('message', (data) => texts.push(String(data)))
  await link.next(online)
  /** The next event of this name, which the app can read. */
  return async (name: string, within = 20_000) => {
    const frame = await robot.next(({ event }) => event === name, within)
    const mark = String(frame.id ?? frame.timestamp)
    const text = texts.find((one) => one.includes(`"event":"${name}"`) && one.includes(mark))
    assert.ok(text, `${name} as text`)
    checkCasts(name, text)
    const shape = EVENT_TYPES[name]?.fields
    assert.ok(shape)
    if (!TEXT_DATA.includes(name)) shape.parse(frame.data)
    return frame
  }
}

test('the app reads the dog and the photos that vision publishes', { timeout: 90_000 }, async (t) => {
  const { memory, send, cameraOk } = await startTestVision(t, { vision: { detector: { labels: ['dog'] } } })
  const next = await startRelay(t, memory)
  await cameraOk()
  for (const with_hud of [true, false]) {
    assert.equal((await send('take_photo', { with_hud })).success, true)
    assert.deepEqual([(await next('photo')).with_hud], [with_hud])
  }
  assert.equal((await next('detection', 60_000)).detected, true)
})

test('the app reads that the camera is lost, and that it is back', { timeout: 60_000 }, async (t) => {
  const file = join(temporaryFolder(t), 'fail')
  const script = `setInterval(() => {
    if (require('node:fs').existsSync(process.argv[1])) process.exit(3)
    process.stdout.write(Buffer.alloc(320 * 240 * 3 / 2, 99))
  }, 40)`
  const command = [process.execPath, '-e', script, file]
  const source = { type: 'exec', command, format: 'yuv420p', width: 320, height: 240 }
  const { memory, cameraOk } = await startTestVision(t, { vision: { source } })
  const next = await startRelay(t, memory)
  await cameraOk()
  writeFileSync(file, '')
  assert.equal((await next('camera_status_changed')).camera_ok, false)
  rmSync(file)
  assert.equal((await next('camera_status_changed')).camera_ok, true)
})

test('the app reads that privacy is on, and off', { timeout: 60_000 }, async (t) => {
  const { memory, send, cameraOk } = await startTestVision(t, { vision: { source: { type: 'synthetic' } } })
  const next = await startRelay(t, memory)
  await cameraOk()
  for (const enabled of [true, false]) {
    await send('set_privacy', { enabled })
    const event = await next('privacy_changed')
    assert.deepEqual([event.enabled, event.source], [enabled, 'relay'])
  }
})

test('the app reads that a recording could not be uploaded, and that the disk is full', {
  timeout: 90_000,
}, async (t) => {
  const refusing = createHttpServer((_request, response) => response.writeHead(413).end())
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
  closeAfter(t, () => {
    refusing.closeAllConnections()
    refusing.close()
  })
  const { port } = refusing.address() as AddressInfo
  const keep = { labels: {}, events: {}, treats: null }
  const cloud = { relay_url: `ws://127.0.0.1:${port}/ws/device` }
  const recorder = await startTestRecorder(t, { recorder: { keep }, cloud })
  const { send, dataDir } = recorder
  const next = await startRelay(t, recorder)
  assert.equal((await send('record_video', { duration: 1 })).success, true)
  assert.equal((await next('video_ready', 60_000)).success, false)
  rmSync(join(dataDir, 'recorder/clips'), { recursive: true })
  writeFileSync(join(dataDir, 'recorder/clips'), '')
  await send('record_video', { duration: 1 })
  assert.match(String((await next('recording_stopped')).message), /^recording stopped: /)
})

test('the app reads the recording, and what became of a clip, that audio publishes', {
  timeout: 60_000,
}, async (t) => {
  const path = join(temporaryFolder(t), 'heard.wav')
  const audio = await startTestAudio(t, {
    source: { type: 'synthetic' },
    speaker: { type: 'file', path },
  })
  const next = await startRelay(t, audio)
  const say = (type: string, message: object) =>
    audio.app.publish(topics.cloud, { type, ...message }, { type })
  await say('audio_request', { duration: 1 })
  const { format } = await next('audio_message')
  assert.equal(format, 'aac')
  await say('audio_request', { duration: 'long' })
  assert.match(String((await next('audio_error')).error), /duration/)
  await say('audio_message', { data: 'not sound', format: 'wav' })
  assert.equal((await next('audio_played')).success, false)
})

/** A port of this broker. */
async function listen(t: TestContext, { broker }: MemoryBus): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    broker.aedes.handle(socket)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  closeAfter(t, () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const DISPENSERS: Record<string, (t: TestContext, memory: MemoryBus) => Promise<void>> = {
  async simulator(_, memory) {
    memory.use(await openDispenser(await memory.connect('simulator'), 1))
  },
  'TypeScript example': (t, memory) => startExample(t, memory, process.execPath, 'treat-dispenser.ts'),
  'Python example': (t, memory) => startExample(t, memory, '/usr/bin/python3', 'treat_dispenser.py'),
}

async function startExample(t: TestContext, memory: MemoryBus, program: string, file: string): Promise<void> {
  const port = String(await listen(t, memory))
  const env = { ...process.env, BUS_URL: `mqtt://127.0.0.1:${port}`, BUS_PORT: port }
  const child = spawn(program, [`examples/${file}`], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  closeAfter(t, () => endProcess(child, 'SIGTERM'))
}

for (const [name, start] of Object.entries(DISPENSERS)) {
  const skip = name.startsWith('Python') && withoutPaho()
  test(`the app reads the treats of the dispenser: ${name}`, { skip, timeout: 60_000 }, async (t) => {
    const memory = await memoryBus(t)
    const next = await startRelay(t, memory)
    const app = await memory.connect('app')
    const results = await collect(app, topics.commandResult)
    await start(t, memory)
    const give = async (count: number, within: number) => {
      const command = { id: `${count}`, name: 'treat', params: { count }, source: 'relay' as const }
      await app.publish(topics.command, { ...command, received_at: Date.now() }, { name: 'treat' })
      await results.next({ within, where: ({ id }) => id === `${count}` })
    }
    // of nothing, until the service has subscribed
    while (results.all.length === 0) await give(0, 300).catch(() => {})
    await give(2, 10_000)
    const { count, remaining, treats_today } = await next('treat_dispensed')
    assert.deepEqual({ count, remaining, treats_today }, { count: 2, remaining: 28, treats_today: 2 })
  })
}
