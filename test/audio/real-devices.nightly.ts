import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { alignments } from './alignment.ts'
import { decodeOpus } from './opus.ts'
import { chirps, toWav } from './signals.ts'
import { speak } from './speak.ts'
import { startTestAudio } from './start-audio.ts'

/** A variable of the environment, for the time of the test. */
function setVariable(t: TestContext, name: string, value: string): void {
  const before = process.env[name]
  process.env[name] = value
  t.after(() => {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  })
}

/** Correlation of the seconds of `heard` with chirps, wherever they are. */
function match(heard: Int16Array): { best: number; median: number; seconds: number } {
  // a chirp is found in the one second before or after each position
  const played = chirps(3)
  const found = alignments(heard, played, { expected: () => 48_000, range: 48_000 })
  const values = found.map(({ correlation }) => correlation).toSorted((a, b) => a - b)
  return { best: values.at(-1) ?? 0, median: values[values.length >> 1] ?? 0, seconds: values.length }
}

test('PulseAudio: what is played on a sink is what is heard from its monitor', {
  skip: without('pulseaudio', 'pactl'),
  timeout: 90_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const socket = join(folder, 'native')
  const modules = [
    'module-null-sink sink_name=speaker rate=48000 channels=2',
    `module-native-protocol-unix socket=${socket} auth-anonymous=1`,
  ]
  const args = ['-n', '--daemonize=no', '--use-pid-file=no', '--exit-idle-time=-1', '--disable-shm=yes']
  const server = spawn('pulseaudio', [...args, ...modules.map((one) => `--load=${one}`)], {
    env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, PULSE_RUNTIME_PATH: folder },
    stdio: 'ignore',
  })
  closeAfter(t, () => server.kill('SIGKILL'))
  await until(() => existsSync(socket), { deadline: 20_000 })
  setVariable(t, 'PULSE_SERVER', `unix:${socket}`)
  const audio = await startTestAudio(t, {
    source: { type: 'pulse', device: 'speaker.monitor' },
    speaker: { type: 'pipewire', device: 'speaker' },
    full_duplex: true,
  })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true, within: 20_000 })
  const spoken = speak(audio.app, 1, 10)
  await audio.states.next({ where: ({ speaker }) => speaker?.ok === true, within: 20_000 })
  assert.match(execFileSync('pactl', ['list', 'short', 'sink-inputs'], { encoding: 'utf8' }), /\S/)
  audio.packets.all.length = 0
  await spoken
  const heard = decodeOpus((await audio.next(350)).map(({ data }) => data))
  const found = match(heard)
  t.diagnostic(JSON.stringify(found))
  // the server runs dry on a machine that is busy, which shifts the sound within a second
  assert.ok(found.best >= 0.9, JSON.stringify(found))

  // the server dies, and comes back
  server.kill('SIGKILL')
  const { payload } = await audio.states.next({ where: ({ audio_ok }) => audio_ok === false, within: 20_000 })
  t.diagnostic(String(payload.audio_error))
  assert.match(payload.audio_error ?? '', /^parec /)
})

test('ALSA: aplay plays what was spoken, and arecord records what a device has', {
  skip: without('arecord'),
  timeout: 60_000,
}, async (t) => {
  const folder = temporaryFolder(t)
  const [played, recorded] = [join(folder, 'played.raw'), join(folder, 'recorded.raw')]
  writeFileSync(recorded, toWav(chirps(20)).subarray(44))
  const config = [
    'pcm.silence { type null }',
    `pcm.speaker { type file slave.pcm silence file ${played} format raw }`,
    `pcm.microphone { type file slave.pcm silence file /dev/null format raw infile ${recorded} }`,
  ]
  writeFileSync(join(folder, 'asound.conf'), config.join('\n'))
  setVariable(t, 'ALSA_CONFIG_PATH', `/usr/share/alsa/alsa.conf:${join(folder, 'asound.conf')}`)
  const audio = await startTestAudio(t, {
    source: { type: 'alsa', device: 'microphone' },
    speaker: { type: 'alsa', device: 'speaker' },
    full_duplex: true,
  })
  await audio.demand()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === true, within: 20_000 })
  const heard = match(decodeOpus((await audio.next(300)).map(({ data }) => data)))
  await audio.withdraw()
  await audio.states.next({ where: ({ audio_ok }) => audio_ok === null, within: 20_000 })
  await speak(audio.app, 1, 8)
  await audio.states.next({ where: ({ speaker }) => speaker?.ok === true, within: 20_000 })
  await audio.states.next({ where: ({ speaker }) => speaker?.ok === null, within: 20_000 })
  const bytes = readFileSync(played)
  const spoken = match(new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)))
  t.diagnostic(JSON.stringify({ heard, spoken }))
  assert.ok(heard.median >= 0.9 && spoken.median >= 0.9, JSON.stringify({ heard, spoken }))
})
