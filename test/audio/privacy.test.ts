import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { until } from '#dev/harness/until.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { running } from './marked-processes.ts'
import { player, startTestAudio } from './start-audio.ts'

const privacy = (enabled: boolean) => ({ enabled, until: null, source: 'relay' as const })

test('privacy closes the microphone; viewers get silence, and are told why', async (t) => {
  const mark = randomUUID()
  const audio = await startTestAudio(t, { source: { type: 'exec', command: player('--mark', mark) } })
  await audio.demand()
  await audio.states.next({ within: 20_000, where: ({ audio_ok }) => audio_ok === true })
  assert.equal(running(mark), 1)
  await audio.app.publish(topics.privacy, privacy(true))
  await audio.states.next({ where: ({ audio_ok, muted }) => audio_ok === null && muted === 'privacy' })
  await until(() => running(mark) === 0)
  await audio.next(3)
  await audio.app.publish(topics.privacy, privacy(false))
  await audio.states.next({
    within: 20_000,
    where: ({ audio_ok, muted }) => audio_ok === true && muted === null,
  })
})

test('a stored state counts before vision has published one', async (t) => {
  const mark = randomUUID()
  const dataDir = temporaryFolder(t)
  mkdirSync(join(dataDir, 'privacy'))
  const stored = { enabled: true, manual: privacy(true), saved_at: Date.now() }
  writeFileSync(join(dataDir, 'privacy/state.json'), JSON.stringify(stored))
  const audio = await startTestAudio(
    t,
    { source: { type: 'exec', command: player('--mark', mark) } },
    dataDir,
  )
  await audio.demand()
  await audio.states.next({ where: ({ demand, muted }) => demand?.length === 1 && muted === 'privacy' })
  await audio.next(3)
  assert.equal(running(mark), 0)
})
