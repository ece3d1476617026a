import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { clip, startCloud } from '../cloud-bridge.ts'

test('a clip is published with an absolute URL of the relay (A23)', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, cloud, clips, told } = await startCloud(t, relay)
  const { host } = new URL(relay.url)
  socket.send(clip('sit', 'v1'))
  const { payload } = await cloud.next()
  assert.deepEqual(payload, { ...clip('sit', 'v1'), url: `http://${host}/api/voice-commands/file/u/d1/sit` })
  socket.send(clip('a', 'v1', { audio_url: 'https://files.example/a.wav' }))
  socket.send(clip('b', 'v1', { audio_url: 'file:///etc/passwd' }))
  socket.send(clip('c', 'v1', { audio_url: null }))
  socket.send(clip('d', 'v1', { audio_url: 'http://[' }))
  await told()
  assert.deepEqual(
    clips().map(({ url }) => url),
    [payload.url, 'https://files.example/a.wav', null, null, null],
  )
})

test('each version of a clip is published once, however often the relay replays it (A21)', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, clips, told } = await startCloud(t, relay)
  for (let replay = 0; replay < 5; replay++) for (const name of ['sit', 'down']) socket.send(clip(name, 'v1'))
  await told()
  socket.send(clip('sit', 'v1'))
  socket.send(clip('sit', 'v2'))
  socket.send(clip('sit', 'v2'))
  socket.send({ ...clip('sit', 'v2'), dog_id: 'd2' })
  await told()
  socket.send({ type: 'voice_command_deleted', dog_id: 'd1', command_id: 'sit' })
  await told()
  socket.send(clip('sit', 'v2'))
  await told()
  assert.deepEqual(
    clips().map(
      ({ type, dog_id, command_id, updated_at: at = '' }) => `${type} ${dog_id} ${command_id} ${at}`,
    ),
    [
      'voice_command_updated d1 sit v1',
      'voice_command_updated d1 down v1',
      'voice_command_updated d1 sit v2',
      'voice_command_updated d2 sit v2',
      'voice_command_deleted d1 sit ',
      'voice_command_updated d1 sit v2',
    ],
  )
})

test('published clips are remembered across a restart, failed ones are not (A21)', async (t) => {
  const dataDir = temporaryFolder(t)
  const relay = await fakeRelay(t)
  const first = await startCloud(t, relay, { dataDir })
  first.socket.send(clip('sit', 'v1'))
  first.socket.send(clip('gone', 'v1'))
  first.socket.send({ type: 'voice_command_deleted', dog_id: 'd1', command_id: 'gone' })
  first.socket.send(clip('huge', 'v1', { audio_url: `/${'x'.repeat(8 * 2 ** 20 - 1_000)}` }))
  await first.told()
  await first.bridge[Symbol.asyncDispose]()
  const second = await startCloud(t, relay, { dataDir })
  for (const name of ['sit', 'gone', 'new']) second.socket.send(clip(name, 'v1'))
  await second.told()
  assert.deepEqual(
    second.clips().map(({ command_id }) => command_id),
    ['gone', 'new'],
  )
})

test('a clip counts as published only after the PUBACK', async (t) => {
  const dataDir = temporaryFolder(t)
  const relay = await fakeRelay(t)
  const { socket, memory, cloud, settled } = await startCloud(t, relay, { dataDir })
  await settled()
  await memory.broker[Symbol.asyncDispose]()
  socket.send(clip('sit', 'v1'))
  socket.send({ type: 'ping' })
  await socket.next(({ type }) => type === 'pong')
  await staysTrue(() => !existsSync(join(dataDir, 'voice-commands.json')), 100)
  assert.equal(cloud.all.length, 1)
})

test('clips without ids are dropped, those without a version published each time', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, clips, told } = await startCloud(t, relay)
  socket.send(clip('x'.repeat(300), 'v1'))
  socket.send({ ...clip('sit', 'v1'), dog_id: null })
  socket.send({ ...clip('sit', 'v1'), command_id: 5 })
  for (let i = 0; i < 2; i++) {
    socket.send(clip('sit', null))
    await told()
  }
  assert.equal(clips().length, 2)
})

test('hundreds of clips on a connect delay no other frame (A21)', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, socket, clips, told } = await startCloud(t, relay)
  const requests = await collect(robot, topics.request)
  for (let i = 0; i < 1_500; i++) socket.send(clip(`c${i}`, 'v1'))
  socket.send({ type: 'webrtc_request', session_id: 'S' })
  await requests.next({ within: 60_000 })
  assert.ok(clips().length < 1_500, 'the request overtook some of them')
  await told()
  assert.equal(clips().length, 1_500)
})
