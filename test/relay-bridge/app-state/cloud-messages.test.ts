import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { staysTrue } from '#dev/harness/until.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { online, startBridge } from '../bridge.ts'
import { startCloud } from '../cloud-bridge.ts'

const REX = { dog_id: 'd1', name: 'Rex', aruco_id: null, color: null, breed: null, photo_url: null }
const profiles = (...dogs: unknown[]) => ({ type: 'profiles', profiles: dogs })
test('profiles are retained, an empty list means no dogs, and null fields are accepted (I12)', async (t) => {
  const relay = await fakeRelay(t)
  const { dogs, socket, memory, settled } = await startCloud(t, relay)
  socket.send(profiles(REX))
  assert.deepEqual((await dogs.next()).payload, profiles(REX))
  for (const broken of [null, 'x', {}, undefined]) socket.send({ type: 'profiles', profiles: broken })
  await settled()
  assert.equal(dogs.all.length, 1, 'what is no list replaces nothing')
  const late = await collect(await memory.connect('late'), topics.cloudProfiles)
  assert.equal((await late.next()).retained, true)
  socket.send(profiles(null, 5, 'x', {}, { name: 'no id' }, REX))
  assert.deepEqual((await dogs.next()).payload, profiles(REX), 'the good ones stay')
  socket.send(profiles())
  assert.deepEqual((await dogs.next()).payload.profiles, [])
})

test('profiles survive a restart, and are published before the relay is connected (A20)', async (t) => {
  const dataDir = temporaryFolder(t)
  const relay = await fakeRelay(t)
  const { socket, dogs, bridge } = await startCloud(t, relay, { dataDir })
  socket.send(profiles({ ...REX, name: 'Old' }))
  socket.send(profiles(REX))
  await dogs.next({ where: (payload) => JSON.stringify(payload).includes('Rex') })
  await bridge[Symbol.asyncDispose]()
  await relay.close()
  const memory = await memoryBus(t)
  const observed = await collect(await memory.connect('observer'), topics.cloudProfiles)
  await startBridge(t, relay, { dataDir, memory })
  assert.deepEqual((await observed.next()).payload, profiles(REX))
})

test('a broken profiles file causes one log line', async (t) => {
  const relay = await fakeRelay(t)
  for (const broken of ['', '{', '[]', 'null', '{"profiles":5}', '{"profiles":[{}]}', '\0'.repeat(100)]) {
    const dataDir = temporaryFolder(t)
    writeFileSync(join(dataDir, 'profiles.json'), broken)
    writeFileSync(join(dataDir, 'voice-commands.json'), broken)
    const { socket, dogs, memory, bridge } = await startCloud(t, relay, { dataDir })
    assert.equal(dogs.all.length, 0)
    for (const name of ['profiles.json', 'voice-commands.json']) {
      const lines = memory.logged.filter(({ msg }) => String(msg).startsWith(name))
      // an empty list is as good a list of clips as any
      assert.equal(lines.length, broken === '[]' && name.startsWith('voice') ? 0 : 1, `${name}: ${broken}`)
    }
    socket.send(profiles(REX))
    await dogs.next()
    await bridge[Symbol.asyncDispose]()
    assert.match(readFileSync(join(dataDir, 'profiles.json'), 'utf8'), /Rex/)
  }
})

test('unknown types are published, counted and shown, in bounds (A22)', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, cloud, state, memory, settled } = await startCloud(t, relay)
  socket.send({ type: 'voice_hologram', x: 1 })
  assert.deepEqual((await cloud.next()).payload, { type: 'voice_hologram', x: 1 })
  const { payload } = await state.next({ where: ({ unknown_types: types }) => types !== undefined })
  assert.deepEqual(payload.unknown_types, { voice_hologram: 1 })
  for (let i = 0; i < 100; i++) socket.send({ type: `made_up_${i}` })
  await settled()
  const lines = memory.logged.filter(({ msg }) => String(msg).startsWith('unknown message'))
  assert.equal(lines.length, 33)
  assert.equal(lines[0]?.type, 'voice_hologram')
})

test('typeless commands, frames for other robots and activity_clear do not count as unknown types', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, memory, settled } = await startCloud(t, relay)
  socket.send({ command: 'reload_dogs' })
  socket.send({ type: 'webrtc_request', session_id: 'S', device_id: 'another' })
  for (const type of ['pong', 'error', 'audio_request', 'user_connected']) socket.send({ type })
  await settled()
  assert.equal(memory.logged.filter(({ msg }) => String(msg).startsWith('unknown message')).length, 0)
})

test('a robot without an owner is reported once, until profiles arrive (A26)', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, state, memory, link } = await startCloud(t, relay, { pairedWithin: 100 })
  await state.next({ where: ({ paired }) => paired === false, within: 5_000 })
  socket.socket.terminate()
  const again = await relay.robot()
  await link.next(online)
  const warnings = () => memory.logged.filter(({ msg }) => String(msg).startsWith('no profiles'))
  await staysTrue(() => warnings().length === 1, 300, { show: warnings })
  again.send(profiles())
  await state.next({ where: ({ paired }) => paired === true })
})

test('a robot that receives profiles in time is paired', async (t) => {
  const relay = await fakeRelay(t)
  const { socket, state, memory } = await startCloud(t, relay, { pairedWithin: 2_000 })
  socket.send(profiles(REX))
  await state.next({ where: ({ paired }) => paired === true })
  assert.equal(memory.logged.filter(({ msg }) => String(msg).startsWith('no profiles')).length, 0)
})
