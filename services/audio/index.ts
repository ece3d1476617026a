import { decodeTalkPacket } from '#bus/talk-packet.ts'
import { topics } from '#bus/topics.ts'
import { subscribeCommands } from '#commands/command-handlers.ts'
import { DataDir } from '#lib/config-schema.ts'
import { createEventCounter, type EventCounter } from '#lib/metrics/event-counter.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { Microphone } from './capture/microphone.ts'
import { captureFrom } from './capture/sources/open.ts'
import { clipCommands, subscribeClipMessages } from './clips/clip-commands.ts'
import { ClipQueue } from './clips/clip-queue.ts'
import { Recorder } from './clips/recorder.ts'
import { AudioSection, type AudioSourceSection, type AudioSpeakerSection } from './config.ts'
import { OpusEncoder } from './encode/opus-encoder.ts'
import { Hearing } from './hearing.ts'
import { createMetrics } from './metrics.ts'
import { Publisher } from './publisher.ts'
import { Loudness } from './sound/loudness.ts'
import { sinkOf } from './speaker/sinks/open.ts'
import { Speaker } from './speaker/speaker.ts'
import { StatePublisher } from './state-publisher.ts'
import { Voice } from './talk/voice.ts'

type AudioDeps = Deps<{ audio: AudioSection; data_dir: string }>

export const audio = defineService({
  name: 'audio',
  config: { audio: AudioSection, data_dir: DataDir },
  start: startAudio,
})

/** What the parts share. */
interface Shared {
  deps: AudioDeps
  stack: AsyncDisposableStack
  drops: EventCounter
  metrics: ReturnType<typeof createMetrics>
}

/**
 * Captures and encodes the microphone while a client needs it, and plays the voice of the viewer who talks. A missing device is
 * not an error.
 */
export async function startAudio(deps: AudioDeps): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { source, speaker: sink } = deps.config.audio
  if (source.type === 'none' && sink.type === 'none') {
    deps.log.warn('audio.source and audio.speaker are none: nothing to do')
    return stack.move()
  }
  const drops = stack.use(createEventCounter(deps.log, 'sound dropped'))
  const shared = { deps, stack, drops, metrics: createMetrics(drops, deps.metrics) }
  const capture = source.type === 'none' ? undefined : await createCapture(shared, source)
  const playback = sink.type === 'none' ? undefined : createPlayback(shared, sink)
  const state = stack.use(new StatePublisher({ bus: deps.bus, drops, ...capture, ...playback }))
  if (capture) connectCapture(capture, state)
  playback?.speaker.on('change', () => {
    if (!deps.config.audio.full_duplex) capture?.hearing.speakerPlays(playback.speaker.playing)
    state.changed()
  })
  await capture?.hearing.start(deps.bus)
  if (playback) await listen(shared, playback, capture)
  state.changed()
  return stack.move()
}

type Capture = Awaited<ReturnType<typeof createCapture>>
type Playback = ReturnType<typeof createPlayback>

/** The parts of the microphone, each built from those before it. */
async function createCapture(
  { deps: { bus, config, log }, stack, drops, metrics }: Shared,
  source: Exclude<AudioSourceSection, { type: 'none' }>,
) {
  const { gain, noise_gate_dbfs: gate, bitrate_kbps, dtx, modes } = config.audio
  const encoder = stack.use(await OpusEncoder.open({ bitrate: bitrate_kbps * 1_000, dtx }))
  const ownSpeaker = config.audio.speaker.type !== 'none'
  const hearing = stack.use(new Hearing({ bus, log, dataDir: config.data_dir, modes, ownSpeaker }))
  const recorder = new Recorder(hearing)
  const loudness = new Loudness({ gain, gate })
  const publisher = new Publisher({
    bus,
    encoder,
    loudness,
    drops,
    metrics: metrics.createCapture(),
    hearing,
    onBlock: (block) => recorder.add(block),
  })
  const microphone = stack.use(new Microphone({ source, captureFrom, log }))
  return { hearing, microphone, publisher, recorder }
}

function connectCapture({ hearing, microphone, publisher }: Capture, state: StatePublisher): void {
  hearing.on('change', () => {
    microphone.want(hearing.wanted)
    state.changed()
  })
  microphone.on('samples', (samples, at) => publisher.add(samples, at))
  microphone.on('change', () => state.changed())
  microphone.start()
}

/** The parts of the speaker. */
function createPlayback(
  { deps: { config, log }, stack, drops, metrics }: Shared,
  sink: Exclude<AudioSpeakerSection, { type: 'none' }>,
) {
  const voice = stack.use(new Voice())
  metrics.observeVoice(voice)
  const clips = new ClipQueue()
  const { volume } = config.audio
  const sources = [voice, clips]
  const speaker = stack.use(
    new Speaker({ type: sink.type, openSink: sinkOf(sink), sources, volume, drops, log }),
  )
  return { speaker, voice, clips }
}

/** Follows what is to be played: talk, clips, volume. */
async function listen(
  { deps: { bus, log }, stack, drops }: Shared,
  playback: Playback,
  capture: Capture | undefined,
) {
  const { voice, speaker } = playback
  const onPacket = (bytes: Buffer) => {
    const packet = decodeTalkPacket(bytes)
    if (!packet || !voice.add(packet)) drops.count('talk: not Opus')
    else if (voice.active) speaker.wake()
  }
  stack.use(await bus.subscribe(topics.talk, onPacket))
  const clipDeps = { bus, log, ...playback, recorder: capture?.recorder }
  stack.use(await subscribeCommands({ bus, log }, clipCommands(clipDeps)))
  stack.use(await subscribeClipMessages(clipDeps))
  let told: number | undefined
  const tellVolume = () => {
    const volume = Math.round(speaker.summary.volume * 100)
    if (volume === told) return
    told = volume
    bus.publish(topics.telemetry, { volume }, { source: 'audio' }).catch(() => {}) // logged by the bus
  }
  speaker.on('change', tellVolume)
  tellVolume()
}
