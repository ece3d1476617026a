import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { until } from '#dev/harness/until.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { running } from './marked-processes.ts'
import { decodeOpus } from './opus.ts'
import { correlation } from './signals.ts'
import { player, startTestAudio } from './start-audio.ts'

test('what a program plays is what the packets hold', async (t) => {
  const audio = await startTestAudio(t, { source: { type: 'exec', command: player() } })
  await audio.demand()
  const packets = await audio.next(1)
  // a machine that is busy testing may lose some: those of 2.2 s between two gaps
  for (let n = 0; packets.length < 110 && n < 2_000; n++) {
    const [packet] = await audio.next(1)
    if (!packet) continue
    const interval = Number(packet.capturedAt - (packets.at(-1)?.capturedAt ?? 0n)) / 1_000
    if (Math.abs(interval - 20) > 0.5) packets.length = 0
    packets.push(packet)
  }
  assert.equal(packets.length, 110, 'packets of 20 ms without a gap')
  const heard = decodeOpus(packets.map(({ data }) => data))
  assert.ok(correlation(heard) > 0.9, String(correlation(heard)))
})

test('the microphone is closed without demand', async (t) => {
  const mark = randomUUID()
  const audio = await startTestAudio(t, { source: { type: 'exec', command: player('--mark', mark) } })
  assert.equal(running(mark), 0)
  await audio.demand()
  await audio.next(3)
  assert.equal(running(mark), 1)
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  await audio.withdraw()
  await audio.states.next({ where: ({ audio_ok, demand }) => audio_ok === null && demand?.length === 0 })
  await until(() => running(mark) === 0)
})

test('a state that repeats is no change: the service does not answer its own', async (t) => {
  const audio = await startTestAudio(t, { source: { type: 'synthetic' } })
  const online = { state: 'online', version: '0.0.0', since: 1 } as const
  await audio.app.publish(topics.serviceState, online, { service: 'other' })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  // each state that another service repeats takes a round through the broker, as an answer to itself would
  const rounds = await collect(audio.app, topics.serviceState)
  const before = audio.states.all.length
  for (let i = 0; i < 50; i++) {
    await audio.app.publish(topics.serviceState, { ...online, since: i }, { service: 'other' })
    await rounds.next({ where: ({ since }) => since === i })
  }
  const published = audio.states.all.length - before
  assert.ok(published <= 5, `${published} states`)
})

test('in a mode that does not hear, silence is sent and the device is closed', async (t) => {
  const mark = randomUUID()
  const audio = await startTestAudio(t, { source: { type: 'exec', command: player('--mark', mark) } })
  const levels = await collect(audio.app, topics.audioLevel)
  await audio.demand()
  await audio.next(3)
  await audio.setMode('coach')
  await audio.states.next({ where: ({ audio_ok, muted }) => audio_ok === null && muted === 'mode' })
  await levels.next({ where: ({ peak_dbfs }) => peak_dbfs === -96 })
  await until(() => running(mark) === 0)
  const silence = decodeOpus((await audio.next(20)).map(({ data }) => data))
  assert.ok(Math.max(...silence.subarray(-960)) < 4)
  await audio.setMode('manual')
  await audio.states.next({ where: ({ audio_ok, muted }) => audio_ok === true && muted === null })
  await levels.next({ where: ({ peak_dbfs }) => peak_dbfs > -20 })
})

test('while a clip plays, silence is sent, and the device stays open', async (t) => {
  const mark = randomUUID()
  const audio = await startTestAudio(t, { source: { type: 'exec', command: player('--mark', mark) } })
  const levels = await collect(audio.app, topics.audioLevel)
  await audio.demand()
  await levels.next({ where: ({ peak_dbfs }) => peak_dbfs > -20 })
  await audio.play(700)
  await audio.states.next({ where: ({ muted }) => muted === 'clip' })
  await levels.next({ where: ({ peak_dbfs }) => peak_dbfs === -96 })
  assert.equal(running(mark), 1)
  await audio.states.next({ where: ({ muted, audio_ok }) => muted === null && audio_ok === true })
  await levels.next({ where: ({ peak_dbfs }) => peak_dbfs > -20 })
})

test('a program that is missing is reported and tried again, and one that comes back is heard', async (t) => {
  const script = join(temporaryFolder(t), 'microphone')
  const audio = await startTestAudio(t, { source: { type: 'exec', command: [script] } })
  await audio.demand()
  await audio.states.next({ where: ({ audio_error }) => audio_error === `cannot run ${script}: not found` })
  assert.equal(audio.packets.all.length, 0)
  writeFileSync(script, `#!/bin/sh\nexec ${player('--stop', '1000').join(' ')}\n`, { mode: 0o755 })
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  await audio.next(10)
  // it ends after a second, and is started again
  await audio.states.next({
    where: ({ audio_ok, audio_error }) => !audio_ok && /exited with code 0/.test(audio_error ?? ''),
  })
  await audio.states.next({ where: ({ audio_ok, audio_error }) => audio_ok === true && audio_error === null })
  rmSync(script)
  assert.ok(!existsSync(script))
  await audio.states.next({ where: ({ audio_error }) => /not found/.test(audio_error ?? '') })
})

test('the last words of a program that fails are the reason', async (t) => {
  const command = ['sh', '-c', 'echo "audio open error: Device or resource busy" >&2; exit 1']
  const audio = await startTestAudio(t, { source: { type: 'exec', command } })
  await audio.demand()
  const { payload } = await audio.states.next({ where: ({ audio_ok }) => audio_ok === false })
  assert.equal(payload.audio_error, 'sh exited with code 1 audio open error: Device or resource busy')
})

test('a program that stops writing is ended and started again', async (t) => {
  const mark = randomUUID()
  const command = player('--mark', mark, '--stall', '500')
  const audio = await startTestAudio(t, { source: { type: 'exec', command } })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  await audio.states.next({ where: ({ audio_error }) => audio_error === 'no sound for 3 s' })
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  await until(() => running(mark) === 1)
})

test('a robot without a microphone captures nothing, and says so in the log', async (t) => {
  const audio = await startTestAudio(t, {})
  assert.match(JSON.stringify(audio.logged), /audio\.source and audio\.speaker are none: nothing to do/)
})
