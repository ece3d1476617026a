import assert from 'node:assert/strict'
import test from 'node:test'
import { Registry } from 'prom-client'
import { topics } from '#bus/topics.ts'
import { CommandLimits } from '#commands/actuators.ts'
import { collect } from '#dev/harness/collect.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { NO_AUDIO } from '#services/webrtc/audio/audio-feed.ts'
import { MicrophoneState } from '#services/webrtc/audio/microphone-state.ts'
import { openControls } from '#services/webrtc/control/control-channel.ts'
import { createMetrics } from '#services/webrtc/metrics.ts'
import { Sessions } from '#services/webrtc/session/sessions.ts'
import { TIMINGS } from '#services/webrtc/session/timings.ts'
import { openVideoLayers } from '#services/webrtc/video/video-layers.ts'
import { createVideoQualitySettings } from '#services/webrtc/video/video-quality.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

test('a close while the offer is created wins: nothing is sent (P6, C11)', async (t) => {
  const { connect, log } = await memoryBus(t)
  const [bus, observer] = [await connect('webrtc'), await connect('observer', { announce: false })]
  using discarded = createEventCounter(log, 'discarded')
  const metrics = createMetrics(new Registry(), { discarded })
  await using layers = await openVideoLayers({ bus, log, discarded, metrics })
  using controls = await openControls({ bus, log, discarded, limits: CommandLimits.parse({}) })
  await using sessions = new Sessions({
    maxConnections: 2,
    ownServers: [],
    refuseLocalServers: false,
    peer: {
      ice: { policy: 'all', portRange: null, additionalHostAddresses: [], tlsInsecure: false },
      bitrate: 1_500_000,
      codec: 'h264',
    },
    deps: {
      bus,
      log,
      discarded,
      metrics,
      layers,
      audio: NO_AUDIO,
      microphone: new MicrophoneState(false),
      talk: undefined,
      controls,
      timings: TIMINGS,
      quality: createVideoQualitySettings({ width: 1280, height: 720, bitrate_kbps: 1500 }),
      onChanged: () => undefined,
    },
  })
  const [offers, closed] = await Promise.all([
    collect(observer, topics.offer),
    collect(observer, topics.closed),
  ])
  const making = sessions.request('one', [])
  sessions.get('one')?.close('viewer-left', { by: 'viewer' })
  await making
  assert.deepEqual((await closed.next()).payload, { session_id: 'one', reason: 'viewer-left', by: 'viewer' })
  await sessions.request('two', [])
  await offers.next({ where: ({ session_id }) => session_id === 'two' })
  assert.equal(offers.all.length, 1)
})
