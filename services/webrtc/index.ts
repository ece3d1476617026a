import { isIP } from 'node:net'
import { Registry } from 'prom-client'
import { topics } from '#bus/topics.ts'
import { WebrtcSection } from '#lib/config-schema.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { type Deps, defineService } from '#lib/process/service.ts'
import { openCommands } from './control/commands.ts'
import { watchNetwork } from './ice/network-watch.ts'
import { createMetrics } from './metrics.ts'
import { warmUp } from './peer/warm-up.ts'
import { createSilence } from './rtp/silent-audio.ts'
import { type Memory, watchMemory } from './session/memory-watch.ts'
import { Sessions } from './session/sessions.ts'
import { followSignalling } from './session/signaling-subscriber.ts'
import { createReport } from './session/state-publisher.ts'
import { TIMINGS, type Timings } from './session/timings.ts'
import { followQuality } from './video/quality-command.ts'
import { openVideoLayers } from './video/video-layers.ts'
import { createQuality } from './video/video-quality.ts'
import { isWeriftFault } from './werift-patches/werift-fault.ts'

export const webrtc = defineService({
  name: 'webrtc',
  config: { webrtc: WebrtcSection },
  isRecoverable: isWeriftFault,
  start: (deps) => startWebrtc(deps),
})

/** Brings video, audio and the data channel `control` to every viewer that asks on `signaling/request`. */
export async function startWebrtc(
  { bus, config, log, metrics: registry = new Registry() }: Deps<{ webrtc: WebrtcSection }>,
  timings: Partial<Timings> = {},
  { readMemory }: { readMemory?: () => Memory } = {},
): Promise<AsyncDisposable> {
  const { ice, max_connections, stun_servers, turn_servers, video } = config.webrtc
  const times = { ...TIMINGS, ...timings }
  await warmUp()
  await using stack = new AsyncDisposableStack()
  const tally = stack.use(createEventCounter(log, 'discarded'))
  const silence = stack.use(createSilence())
  const summaries = () => sessions.list.map((session) => session.summary())
  const metrics = createMetrics(registry, { tally, sessions: summaries })
  const layers = stack.use(await openVideoLayers({ bus, log, tally, metrics }))
  const commands = stack.use(await openCommands({ bus, log, tally }))
  const report = createReport({ bus, log, metrics, sessions: summaries, interval: times.report })
  const peer = {
    policy: ice.policy,
    portRange: ice.port_range,
    additionalHostAddresses: ice.additional_host_addresses.filter((address) => isIP(address)),
    tlsInsecure: ice.tls_insecure,
    bitrate: video.bitrate_kbps * 1000,
    codec: video.codec === 'VP8' ? ('vp8' as const) : ('h264' as const),
  }
  const quality = createQuality(video)
  const sessions: Sessions = new Sessions({
    maxConnections: max_connections,
    ownServers: [...stun_servers, ...turn_servers],
    peer,
    deps: {
      ...{ bus, log, tally, metrics, layers, silence, commands, timings: times, quality },
      changed: report.changed,
    },
  })
  const moved = (addresses: string[]) => {
    log.info({ addresses }, 'network changed')
    for (const session of sessions.list) session.moved(addresses)
  }
  stack.use(watchNetwork(moved, times.network))
  const scarce = (memory: Memory) => {
    log.error(memory, 'memory is scarce')
    sessions.relieve()
  }
  stack.use(watchMemory(scarce, times.memory, readMemory))
  stack.use(report)
  stack.use(sessions)
  report.changed() // nobody, whatever an earlier life has left

  const vision = { service: 'vision' }
  stack.use(await bus.subscribe(topics.serviceState, ({ layers: told }) => quality.tell(told), vision))
  stack.use(await followQuality({ bus, log, quality, sessions: () => sessions.list }))
  stack.use(await followSignalling(bus, sessions))
  return stack.move()
}
