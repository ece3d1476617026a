import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { PrivacySwitch } from '#services/vision/privacy/privacy-switch.ts'
import { Schedule } from '#services/vision/privacy/schedule.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const NIGHT = [{ from: '0 22 * * *', to: '0 7 * * *' }]
const at = (text: string) => new Date(`2026-01-${text}`).getTime()

interface Start {
  schedule?: { from: string; to: string }[]
  now?: () => number
  dataDir?: string
}

async function start(t: TestContext, { schedule = [], now, dataDir = temporaryFolder(t) }: Start = {}) {
  const memory = await memoryBus(t)
  const app = await memory.connect('app')
  const bus = await memory.connect('vision')
  const options = { bus, log: memory.log, dataDir, schedule: new Schedule(schedule), ...(now && { now }) }
  const privacy = memory.use(new PrivacySwitch(options))
  const changes: boolean[] = []
  privacy.on('change', (enabled) => void changes.push(enabled))
  await privacy.start()
  return { privacy, changes, app, dataDir }
}

test('a command counts, is published retained, and survives a restart', async (t) => {
  const first = await start(t)
  assert.deepEqual(first.privacy.state, { enabled: false, until: null, source: 'config' })
  assert.equal(await first.privacy.set(true, null, 'relay'), true)
  assert.deepEqual(first.changes, [true])
  const seen = await collect(first.app, topics.privacy)
  const { payload } = await seen.next()
  assert.deepEqual(payload, { enabled: true, until: null, source: 'relay' })
  const second = await start(t, { dataDir: first.dataDir })
  assert.deepEqual([second.privacy.state.enabled, second.changes], [true, [true]])
  await second.privacy.set(false, null, 'datachannel')
  const third = await start(t, { dataDir: first.dataDir })
  assert.deepEqual([third.privacy.state.enabled, third.changes], [false, []])
})

test('a command ends at its time, also while the robot was off', async (t) => {
  const { privacy, changes, app, dataDir } = await start(t)
  const seen = await collect(app, topics.privacy)
  const until = Date.now() + 300
  await privacy.set(true, until, 'relay')
  await seen.next({ where: ({ enabled }) => enabled })
  await seen.next({ where: ({ enabled }) => !enabled })
  assert.ok(Date.now() >= until)
  assert.deepEqual(changes, [true, false])
  await privacy.set(true, Date.now() + 60_000, 'relay')
  const later = await start(t, { dataDir, now: () => Date.now() + 120_000 })
  assert.equal(later.privacy.state.enabled, false)
})

test('the schedule turns it on; a command that turns it off counts until the next period', async (t) => {
  let now = at('14T23:00:00')
  const { privacy, dataDir } = await start(t, { schedule: NIGHT, now: () => now })
  assert.deepEqual(privacy.state, { enabled: true, until: at('15T07:00:00'), source: 'schedule' })
  await privacy.set(false, null, 'homeassistant')
  assert.deepEqual(privacy.state, { enabled: false, until: at('15T22:00:00'), source: 'homeassistant' })
  now = at('15T22:00:01')
  const next = await start(t, { schedule: NIGHT, now: () => now, dataDir })
  assert.equal(next.privacy.state.enabled, true)
  await next.privacy.set(true, null, 'relay')
  now = at('16T12:00:00')
  const noon = await start(t, { schedule: NIGHT, now: () => now, dataDir })
  assert.deepEqual(
    noon.privacy.state,
    { enabled: true, until: null, source: 'relay' },
    'until it is turned off',
  )
})

test('a machine whose clock starts in the past opens nothing that was closed', async (t) => {
  let now = at('14T23:00:00')
  const { dataDir, privacy } = await start(t, { schedule: NIGHT, now: () => now })
  assert.ok(privacy.state.enabled)
  // as stored
  await privacy.set(false, null, 'relay')
  const file = join(dataDir, 'privacy/state.json')
  const stored = { enabled: true, manual: null, saved_at: now }
  writeFileSync(file, JSON.stringify(stored))
  now = at('10T12:00:00')
  const again = await start(t, { schedule: NIGHT, now: () => now, dataDir })
  assert.equal(again.privacy.state.enabled, true)
  await again.privacy[Symbol.asyncDispose]() // it is stored
  now = at('10T12:01:00')
  const second = await start(t, { schedule: NIGHT, now: () => now, dataDir })
  assert.equal(second.privacy.state.enabled, true, 'nor at a second start')
  await second.privacy.set(false, null, 'relay')
  assert.equal(second.privacy.state.enabled, false, 'an order counts at once')
})

test('a damaged file means on', async (t) => {
  const dataDir = temporaryFolder(t)
  mkdirSync(join(dataDir, 'privacy'))
  const file = join(dataDir, 'privacy/state.json')
  writeFileSync(file, '{"enabled":fal')
  const { privacy } = await start(t, { dataDir })
  assert.deepEqual(privacy.state, { enabled: true, until: null, source: 'recovered' })
  await privacy.set(false, null, 'relay')
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).enabled, false)
})

test('where the state cannot be stored it counts nevertheless, and the answer says so', async (t) => {
  const dataDir = temporaryFolder(t)
  writeFileSync(join(dataDir, 'privacy'), 'a file in place of the folder')
  const { privacy } = await start(t, { dataDir })
  assert.equal(await privacy.set(true, null, 'relay'), false)
  assert.equal(privacy.state.enabled, true)
  rmSync(join(dataDir, 'privacy'))
  assert.equal(await privacy.set(true, null, 'relay'), true, 'the same again, when it can be')
})
