import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { decodeClip } from '#services/audio/clips/clip-decoder.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { chirps, correlation, toWav } from '../signals.ts'
import { player, startTestAudio } from '../start-audio.ts'

const WORKING = { type: 'exec', command: ['sh', '-c', 'exec cat > /dev/null'] }
const clip = (seconds: number) => toWav(chirps(seconds)).toString('base64')

/** Not the result that says that the clip is accepted. */
const isEnd = ({ accepted }: Record<string, unknown>) => accepted === undefined

async function start(t: TestContext, section: object = { speaker: WORKING }) {
  const audio = await startTestAudio(t, section)
  const results = await collect(audio.app, topics.commandResult)
  const played = await collect(audio.app, topics.event, { name: 'audio_played' })
  const recorded = await collect(audio.app, topics.event, { name: 'audio_message' })
  const failed = await collect(audio.app, topics.event, { name: 'audio_error' })
  const command = async (name: string, params: object, id: string = randomUUID()) => {
    const message = { id, name, params: { ...params }, source: 'relay' as const, received_at: Date.now() }
    await audio.app.publish(topics.command, message, { name })
    return id
  }
  // results may come in another order than the commands
  const result = async (id: string, where: (one: Record<string, unknown>) => boolean = () => true) => {
    const find = () => results.all.find(({ payload }) => payload.id === id && where(payload))?.payload
    return await until<Record<string, unknown> | undefined>(find, {
      deadline: 30_000,
      show: () => results.all,
    })
  }
  return { ...audio, command, result, played, recorded, failed, results }
}

test('a clip is accepted, played, and its end is reported; the microphone sends silence', async (t) => {
  const path = join(temporaryFolder(t), 'heard.wav')
  const audio = await start(t, {
    source: { type: 'exec', command: player() },
    speaker: { type: 'file', path },
  })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  const id = await audio.command('ptt_play', { data: clip(3), format: 'wav', duration_ms: 3_000 })
  assert.deepEqual(await audio.result(id), {
    id,
    name: 'ptt_play',
    success: true,
    accepted: true,
    queue_depth: 0,
  })
  await audio.states.next({ where: ({ muted, speaker }) => muted === 'clip' && speaker?.playing === 'clip' })
  assert.deepEqual(await audio.result(id, isEnd), { id, name: 'ptt_play', success: true })
  await audio.states.next({ where: ({ muted }) => muted === null })
  await audio.states.next({ where: ({ speaker }) => speaker?.ok === null, within: 10_000 })
  const wav = readFileSync(path)
  const heard = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length))
  assert.ok(correlation(heard) > 0.95, String(correlation(heard)))
})

test('clips wait for each other, five at most, and audio_stop ends all', async (t) => {
  const audio = await start(t)
  const ids = []
  for (let n = 0; n < 7; n++) ids.push(await audio.command('ptt_play', { data: clip(8), format: 'wav' }))
  const accepted = []
  for (const id of ids.slice(0, 6)) accepted.push((await audio.result(id)).accepted)
  assert.deepEqual(accepted, Array(6).fill(true))
  assert.equal((await audio.result(ids[6] ?? '')).error, '5 clips are waiting already')
  await audio.states.next({ where: ({ speaker }) => speaker?.playing === 'clip' && speaker.waiting === 5 })
  const stop = await audio.command('audio_stop', {})
  assert.equal((await audio.result(stop)).success, true)
  for (const id of ids.slice(0, 6)) {
    assert.equal((await audio.result(id, isEnd)).error, 'stopped')
  }
  await audio.states.next({ where: ({ speaker }) => speaker?.playing === null })
})

test('a clip that is none is answered with the reason', async (t) => {
  const audio = await start(t)
  const refused = async (params: object) => {
    const { success, error } = await audio.result(await audio.command('ptt_play', params))
    assert.equal(success, false)
    return error
  }
  assert.match(String(await refused({})), /data must be base64/)
  assert.match(String(await refused({ data: 'aGVsbG8=', format: 'aac' })), /cannot/)
  assert.match(String(await refused({ data: clip(1), format: 'exe' })), /format must be/)
  // a clip of 10 MB does not reach the service: neither the relay nor the bus takes it
  await assert.rejects(audio.command('ptt_play', { data: 'A'.repeat(10_000_000) }), /limit/)
})

test('the older message is answered by audio_played', async (t) => {
  const audio = await start(t)
  const message = { type: 'audio_message', data: clip(0.5), format: 'wav', duration_ms: 500 }
  await audio.app.publish(topics.cloud, message, { type: 'audio_message' })
  assert.deepEqual((await audio.played.next({ within: 10_000 })).payload, { success: true, queue_depth: 0 })
  await audio.app.publish(topics.cloud, { type: 'audio_message', data: 5 }, { type: 'audio_message' })
  const { success, error } = (await audio.played.next()).payload
  assert.deepEqual([success, error], [false, 'data must be base64 text'])
})

test('a clip for a speaker that does not work is reported as not played', async (t) => {
  const audio = await start(t, { speaker: { type: 'exec', command: ['/missing/player'] } })
  const id = await audio.command('ptt_play', { data: clip(1), format: 'wav' })
  await audio.result(id, ({ accepted }) => accepted === true)
  const { success, error } = await audio.result(id, isEnd)
  assert.deepEqual([success, error], [false, 'cannot run /missing/player: not found'])
})

test('the volume is set in either form, and reported', async (t) => {
  const audio = await start(t, { speaker: WORKING, volume: 0.8 })
  const telemetry = await collect(audio.app, topics.telemetry, { source: 'audio' })
  await telemetry.next({ where: (reading) => reading?.volume === 80 })
  assert.equal((await audio.result(await audio.command('set_volume', { level: 0.5 }))).volume, 50)
  await audio.states.next({ where: ({ speaker }) => speaker?.volume === 0.5 })
  assert.equal((await audio.result(await audio.command('audio_volume', { volume: 30 }))).volume, 30)
  assert.equal((await audio.result(await audio.command('audio_volume', { level: 25 }))).volume, 25)
  await telemetry.next({ where: (reading) => reading?.volume === 25 })
  for (const level of [-0.1, 1.1, 'loud', null, undefined, '']) {
    assert.equal((await audio.result(await audio.command('set_volume', { level }))).success, false)
  }
})

test('a recording of the microphone comes as AAC', async (t) => {
  const audio = await start(t, { source: { type: 'exec', command: player() }, speaker: WORKING })
  const id = await audio.command('audio_request', { duration: 3 })
  const { payload } = await audio.recorded.next({ within: 20_000 })
  const { success, duration_ms } = await audio.result(id)
  assert.deepEqual([success, duration_ms], [true, 3_000])
  assert.equal(payload.format, 'aac')
  assert.equal(payload.duration_ms, 3_000)
  assert.equal(Buffer.from(String(payload.data), 'base64').length, payload.size_bytes)
  const samples = await decodeClip(payload.data, 'aac')
  assert.ok(Math.abs(samples.length - 144_000) < 4_000)
  // the device is closed again
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === null })
})

test('a recording that is not possible is an audio_error', async (t) => {
  const audio = await start(t)
  await audio.app.publish(topics.cloud, { type: 'audio_request', duration: 5 }, { type: 'audio_request' })
  assert.deepEqual((await audio.failed.next()).payload, { error: 'this robot has no microphone' })
  const { error } = await audio.result(await audio.command('audio_request', { duration: 99 }))
  assert.equal(error, 'this robot has no microphone')
})

test('without a speaker the commands belong to another service', async (t) => {
  const audio = await start(t, { source: { type: 'exec', command: player() } })
  for (const name of ['ptt_play', 'set_volume', 'audio_stop', 'audio_request', 'audio_volume']) {
    await audio.command(name, {})
  }
  await audio.states.next({ where: ({ muted }) => muted === 'clip' }) // of the other service
  assert.deepEqual(audio.results.all, [])
})
