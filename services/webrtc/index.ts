import { isIP } from 'node:net'
import { z } from 'zod'
import { bareHost } from '#bus/bare-host.ts'
import type { VisionState } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { isLoopback } from '#lib/loopback.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { Registry } from '#lib/metrics/prometheus.ts'
import { schedulingDelay } from '#lib/process/scheduling-delay.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { NO_AUDIO, openAudioFeed } from './audio/audio-feed.ts'
import { MicrophoneState } from './audio/microphone-state.ts'
import { TalkLease } from './audio/talk-lease.ts'
import { openControls } from './control/control-channel.ts'
import { watchNetwork } from './ice/network-watch.ts'
import { createMetrics } from './metrics.ts'
import { warmUp } from './peer/peer.ts'
import { type Memory, watchMemory } from './session/memory-watch.ts'
import { Sessions } from './session/sessions.ts'
import { subscribeSignaling } from './session/signaling-subscriber.ts'
import { createStatePublisher } from './session/state-publisher.ts'
import { TIMINGS, type Timings } from './session/timings.ts'
import { openVideoLayers } from './video/video-layers.ts'
import { createVideoQualitySettings, subscribeQualityCommand } from './video/video-quality.ts'
import { isWeriftFault } from './werift-patches/werift-fault.ts'

/** What this service reads of `cloud`. */
const CloudSection = z
  .object({ command_limits: CommandLimits, relay_url: z.string().default('') })
  .prefault({})

/** A part of `audio` that the robot may lack. */
const device = z.object({ type: z.string() }).prefault({ type: 'none' })

/** What this service reads of `audio`: whether there are a microphone and a speaker. */
const AudioSection = z.object({ source: device, speaker: device }).prefault({})

export const webrtc = defineService({
  name: 'webrtc',
  config: { webrtc: WebrtcSection, cloud: CloudSection, audio: AudioSection },
  optionalEnv: ['cloud.device_id', 'cloud.device_secret'],
  isRecoverable: isWeriftFault,
  start: (deps) => startWebrtc(deps),
})

type WebrtcDeps = Deps<{
  webrtc: WebrtcSection
  cloud: z.infer<typeof CloudSection>
  audio: z.infer<typeof AudioSection>
}>

/** Serves video, audio and the data channel `control` to every viewer that requests it on `signaling/request`. */
export async function startWebrtc(
  deps: WebrtcDeps,
  timings: Partial<Timings> = {},
  { readMemory }: { readMemory?: () => Memory } = {},
): Promise<AsyncDisposable> {
  const { bus, log } = deps
  const times = { ...TIMINGS, ...timings }
  await warmUp()
  await using stack = new AsyncDisposableStack()
  const { metrics, quality, state, sessions } = await createParts(deps, times, stack)

  const summaries = () => sessions.list.map((session) => session.summary())
  metrics.observeSessions(summaries)
  const onNetworkChanged = (addresses: string[]) => {
    log.info({ addresses }, 'network changed')
    for (const session of sessions.list) session.networkChanged(addresses)
  }
  stack.use(watchNetwork(onNetworkChanged, times.network))
  const onLowMemory = (memory: Memory) => {
    log.error(memory, 'memory is low')
    sessions.closeOldest()
  }
  stack.use(watchMemory(onLowMemory, times.memory, readMemory))
  stack.use(state)
  stack.use(sessions)

  state.start(summaries, () => sessions.refusedServers) // clears the retained list of an earlier run
  const onVisionState = (seen: VisionState) => {
    if (quality.setVision(seen)) for (const session of sessions.list) session.sendQuality()
  }
  stack.use(await bus.subscribe(topics.visionState, onVisionState))
  const onChanged = state.changed
  stack.use(await subscribeQualityCommand({ bus, log, quality, sessions: () => sessions.list, onChanged }))
  stack.use(await subscribeSignaling(bus, sessions, log))
  return stack.move()
}

/** The parts, each built from those before it; `stack` disposes them. */
async function createParts(
  { bus, config, log, metrics: registry = new Registry() }: WebrtcDeps,
  timings: Timings,
  stack: AsyncDisposableStack,
) {
  const { max_connections, stun_servers, turn_servers, video } = config.webrtc
  const discarded = stack.use(createEventCounter(log, 'discarded'))
  const metrics = createMetrics(registry, { discarded })
  const layers = stack.use(
    await openVideoLayers({ bus, log, discarded, metrics, isStarved: () => schedulingDelay.isStarved }),
  )
  const hasAudio = config.webrtc.audio.enabled && config.audio.source.type !== 'none'
  const audio = hasAudio ? stack.use(await openAudioFeed({ bus, log, discarded })) : NO_AUDIO
  const microphone = stack.use(new MicrophoneState(hasAudio))
  await microphone
    .follow(bus)
    .catch((err: unknown) => log.warn({ err }, 'cannot subscribe to the state of the microphone'))
  const { audio: sound } = config
  const talk = sound.speaker.type === 'none' ? undefined : stack.use(new TalkLease({ bus, discarded }))
  const limits = config.cloud.command_limits
  const controls = stack.use(await openControls({ bus, log, discarded, limits }))
  const quality = createVideoQualitySettings(video)
  const state = createStatePublisher({ bus, log, metrics, quality, intervalMs: timings.report })
  const onChanged = state.changed
  const sessions = new Sessions({
    maxConnections: max_connections,
    ownServers: [...stun_servers, ...turn_servers],
    peer: peerOptions(config.webrtc),
    refuseLocalServers: !isLocalRelay(process.env.RELAY_URL?.trim() || config.cloud.relay_url),
    deps: {
      bus,
      log,
      discarded,
      metrics,
      layers,
      audio,
      microphone,
      talk,
      controls,
      timings,
      quality,
      onChanged,
    },
  })
  return { metrics, quality, state, sessions }
}

function peerOptions({ ice, video }: WebrtcSection) {
  return {
    ice: {
      policy: ice.policy,
      portRange: ice.port_range,
      additionalHostAddresses: ice.additional_host_addresses.filter((address) => isIP(address)),
      tlsInsecure: ice.tls_insecure,
    },
    bitrate: video.bitrate_kbps * 1000,
    codec: video.codec === 'VP8' ? ('vp8' as const) : ('h264' as const),
  }
}

/** A relay on this machine (development, tests) may name servers on it; every other one may not. */
function isLocalRelay(relayUrl: string): boolean {
  const host = URL.parse(relayUrl)?.hostname
  return host !== undefined && isLoopback(bareHost(host))
}
