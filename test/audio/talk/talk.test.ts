import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { speak } from '../speak.ts'
import { player, startTestAudio } from '../start-audio.ts'

test('the voice of a viewer is played, and the microphone is silent until 200 ms after it', async (t) => {
  const path = join(temporaryFolder(t), 'heard.wav')
  const audio = await startTestAudio(t, {
    source: { type: 'exec', command: player() },
    speaker: { type: 'file', path },
  })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok, muted }) => audio_ok === true && muted === null })
  const spoken = speak(audio.app, 5, 4)
  await audio.states.next({ where: ({ muted, speaker }) => muted === 'talk' && speaker?.playing === 'talk' })
  await spoken
  await audio.states.next({ where: ({ speaker }) => speaker?.playing === null })
  await audio.states.next({ where: ({ muted }) => muted === null })
  await audio.states.next({ where: ({ speaker }) => speaker?.ok === null, within: 10_000 })
  const wav = readFileSync(path)
  const heard = new Int16Array(wav.buffer.slice(wav.byteOffset + 44, wav.byteOffset + wav.length))
  // how much of it arrives in time depends on the machine: voice.test.ts compares the samples
  const loud = heard.filter((sample) => Math.abs(sample) > 2_000).length
  assert.ok(loud > 24_000, `${loud} loud samples`)
})

test('with full_duplex the microphone stays open', async (t) => {
  const audio = await startTestAudio(t, {
    source: { type: 'exec', command: player() },
    speaker: { type: 'exec', command: ['sh', '-c', 'exec cat > /dev/null'] },
    full_duplex: true,
  })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true })
  const spoken = speak(audio.app, 5, 1)
  await audio.states.next({ where: ({ speaker }) => speaker?.playing === 'talk' })
  await spoken
  await audio.states.next({ where: ({ speaker }) => speaker?.playing === null })
  assert.ok(audio.states.all.every(({ payload }) => payload.muted !== 'talk'))
})

test('a robot with a speaker alone plays, and hears nothing', async (t) => {
  const path = join(temporaryFolder(t), 'heard.wav')
  const audio = await startTestAudio(t, { speaker: { type: 'file', path } })
  await audio.demand()
  await speak(audio.app, 1, 1)
  await audio.states.next({ where: ({ speaker }) => speaker?.ok === true })
  assert.equal(audio.packets.all.length, 0)
  assert.ok(audio.states.all.every(({ payload }) => payload.audio_ok === undefined))
})

test('what is not a voice packet is dropped', async (t) => {
  const path = join(temporaryFolder(t), 'heard.wav')
  const audio = await startTestAudio(t, { speaker: { type: 'file', path } })
  for (const bytes of [Buffer.alloc(1), Buffer.alloc(9, 255), Buffer.alloc(11, 3), Buffer.alloc(2_000, 3)]) {
    await audio.app.publish(topics.talk, bytes)
  }
  await speak(audio.app, 1, 1)
  await audio.states.next({ where: ({ speaker }) => speaker?.playing === 'talk' })
})
