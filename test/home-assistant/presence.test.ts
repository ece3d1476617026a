import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { Presence } from '#services/home-assistant/presence.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'
import { detected, discovery, startService, status } from './start.ts'

const within = 20_000

test('a dog is present while it is detected and for a while after, then absent', () => {
  const presence = new Presence({ labels: ['dog'], absentAfter: 10_000, silence: 30_000 })
  assert.equal(presence.at(0), null)
  presence.ingest(detected([]), 0)
  assert.equal(presence.at(9_000), null) // it may just be hidden
  presence.ingest(detected([]), 10_000)
  assert.equal(presence.at(10_000), false)
  presence.ingest(detected(['dog']), 11_000)
  for (let now = 12_000; now < 21_000; now += 200) {
    presence.ingest(detected(['cat']), now)
    assert.equal(presence.at(now), true)
  }
  assert.equal(presence.at(21_000), false)
})

test('a cat, or a dog without confirmed track, does not count', () => {
  const presence = new Presence({ labels: ['dog'], absentAfter: 1_000, silence: 30_000 })
  presence.ingest(detected([]), 0)
  presence.ingest(detected(['cat', 'person']), 2_000)
  presence.ingest(detected(['dog'], null), 2_000)
  assert.equal(presence.at(2_000), false)
  assert.equal(presence.lastSeen, undefined)
})

test('presence is unknown when the detector is silent or offline, and until it has run for a while', () => {
  const presence = new Presence({ labels: ['dog'], absentAfter: 10_000, silence: 30_000 })
  presence.ingest(detected(['dog']), 0)
  presence.visionLost()
  assert.equal(presence.at(1), null)
  presence.ingest(detected([]), 1_000)
  assert.equal(presence.at(1_000), null)
  presence.ingest(detected([]), 11_000)
  assert.equal(presence.at(11_000), false)
  assert.equal(presence.at(41_001), null)
})

test('homeassistant/dog follows a dog that comes and goes, with the time it was last seen', async (t) => {
  const memory = await memoryBus(t)
  const vision = await memory.connect('vision')
  const observer = await memory.connect('observer', { announce: false })
  const said = await collect(observer, topics.dog)
  const dataDir = temporaryFolder(t)
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log, dataDir, section: { absent_after: 1 } }))
  assert.deepEqual((await said.next({ within })).payload, { present: null, last_seen: null })
  const seen = detected(['dog'])
  await vision.publish(topics.detections, seen)
  const last_seen = new Date(seen.captured_at).toISOString()
  assert.deepEqual((await said.next({ within })).payload, { present: true, last_seen })
  assert.deepEqual((await said.next({ within })).payload, { present: false, last_seen })
  const late = await collect(await memory.connect('late', { announce: false }), topics.dog)
  const { payload, retained } = await late.next({ within })
  assert.deepEqual([payload, retained], [{ present: false, last_seen }, true])
})

test('presence is unknown when vision is killed (last will)', async (t) => {
  const memory = await memoryBus(t)
  const vision = await memory.connect('vision')
  const said = await collect(await memory.connect('observer', { announce: false }), topics.dog)
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log }))
  await vision.publish(topics.detections, detected(['dog']))
  await said.next({ within, where: ({ present }) => present === true })
  memory.cut('vision')
  await said.next({ within, where: ({ present }) => present === null })
})

test('the time of the last dog survives a restart, and a corrupt file is ignored', async (t) => {
  const memory = await memoryBus(t)
  const vision = await memory.connect('vision')
  const dataDir = temporaryFolder(t)
  const path = join(dataDir, 'homeassistant/last-seen')
  mkdirSync(join(dataDir, 'homeassistant'))
  writeFileSync(path, 'yesterday')
  const said = await collect(await memory.connect('observer', { announce: false }), topics.dog)
  const own = await memory.connect('homeassistant')
  const seen = detected(['dog'])
  {
    await using _first = await startService(t, own, { log: memory.log, dataDir })
    assert.deepEqual((await said.next({ within })).payload, { present: null, last_seen: null })
    await vision.publish(topics.detections, seen)
    await said.next({ within, where: ({ present }) => present === true })
  }
  const last_seen = new Date(seen.captured_at).toISOString()
  assert.equal(readFileSync(path, 'utf8').trim(), last_seen)
  memory.use(await startService(t, own, { log: memory.log, dataDir }))
  assert.deepEqual((await said.next({ within })).payload, { present: null, last_seen })
})

test('everything is published again when Home Assistant starts, not when it stops, and a frame is requested', async (t) => {
  const memory = await memoryBus(t)
  const observer = await memory.connect('observer', { announce: false })
  const dog = await collect(observer, topics.dog)
  const devices = await collect(observer, discovery)
  const requests = await collect(observer, topics.frameRequest)
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log, section: { picture_every: null } }))
  const first = await devices.next({ within })
  await dog.next({ within })
  await observer.publish(status, Buffer.from('offline'))
  await observer.publish(status, Buffer.from('online'))
  const again = await devices.next({ within })
  assert.deepEqual(again.payload, first.payload)
  await dog.next({ within })
  await requests.next({ within })
  assert.deepEqual([devices.all.length, dog.all.length, requests.all.length], [2, 2, 1])
})

test('a frame is requested periodically', async (t) => {
  const memory = await memoryBus(t)
  const requests = await collect(await memory.connect('vision'), topics.frameRequest)
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log, section: { picture_every: 1 } }))
  await requests.next({ within })
  await requests.next({ within })
})

test('a service that is not enabled publishes nothing', async (t) => {
  const memory = await memoryBus(t)
  const observer = await memory.connect('observer', { announce: false })
  const all = [await collect(observer, topics.dog), await collect(observer, discovery)]
  const own = await memory.connect('homeassistant')
  memory.use(await startService(t, own, { log: memory.log, section: { enabled: false } }))
  const states = await collect(observer, topics.serviceState)
  await own.publish(topics.serviceState, { state: 'online', version: '0', since: 1 }, { service: 'end' })
  await states.next({ within, where: (_, { service }) => service === 'end' })
  assert.deepEqual(
    all.map(({ all }) => all.length),
    [0, 0],
  )
  assert.ok(memory.logged.some(({ msg }) => /homeassistant\.enabled is false/.test(String(msg))))
})
