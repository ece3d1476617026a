import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { Microphone } from './capture/microphone.ts'
import { captureFrom } from './capture/sources/open.ts'
import { AudioSection, type AudioSourceSection } from './config.ts'
import { OpusEncoder } from './encode/opus-encoder.ts'
import { Hearing } from './hearing.ts'
import { createMetrics } from './metrics.ts'
import { Publisher } from './publisher.ts'
import { Loudness } from './sound/loudness.ts'
import { StatePublisher } from './state-publisher.ts'

type AudioDeps = Deps<{ audio: AudioSection }>

export const audio = defineService({
  name: 'audio',
  config: { audio: AudioSection },
  start: startAudio,
})

/** Captures and encodes the microphone while a client needs it. A missing microphone is not an error. */
export async function startAudio(deps: AudioDeps): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const { source } = deps.config.audio
  if (source.type === 'none') {
    deps.log.warn('audio.source is none: nothing to do')
    return stack.move()
  }
  const { hearing, microphone, publisher, state } = await createParts(deps, source, stack)
  hearing.on('change', () => {
    microphone.want(hearing.wanted)
    state.changed()
  })
  microphone.on('samples', (samples, at) => publisher.add(samples, at))
  microphone.on('change', () => state.changed())
  microphone.start()
  await hearing.start(deps.bus)
  state.changed()
  return stack.move()
}

/** The parts, each built from those before it; `stack` disposes them. */
async function createParts(
  { bus, config, log, metrics: registry }: AudioDeps,
  source: Exclude<AudioSourceSection, { type: 'none' }>,
  stack: AsyncDisposableStack,
) {
  const { gain, noise_gate_dbfs: gate, bitrate_kbps, dtx, modes } = config.audio
  const drops = stack.use(createEventCounter(log, 'sound dropped'))
  const metrics = createMetrics(drops, registry)
  const encoder = stack.use(await OpusEncoder.open({ bitrate: bitrate_kbps * 1_000, dtx }))
  const hearing = stack.use(new Hearing(bus, modes))
  const loudness = new Loudness({ gain, gate })
  const publisher = new Publisher({ bus, encoder, loudness, drops, metrics, hearing })
  const microphone = stack.use(new Microphone({ source, captureFrom, log }))
  const state = stack.use(new StatePublisher({ bus, microphone, hearing, drops }))
  return { hearing, microphone, publisher, state }
}
