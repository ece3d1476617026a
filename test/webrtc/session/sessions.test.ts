import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
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

/** Sessions with two places, without vision and without a relay. */
async function openSessions(t: TestContext) {
  const memory = await memoryBus(t)
  const { connect, log } = memory
  const [bus, observer] = [await connect('webrtc'), await connect('observer', { announce: false })]
  const discarded = memory.use(createEventCounter(log, 'discarded'))
  const metrics = createMetrics(new Registry(), { discarded })
  const layers = memory.use(await openVideoLayers({ bus, log, discarded, metrics }))
  const controls = memory.use(await openControls({ bus, log, discarded, limits: CommandLimits.parse({}) }))
  const sessions = new Sessions({
    maxConnections: 2,
    ownServers: [],
    refuseLocalServers: false,
    peer: {
      ice: { policy: 'all', portRange: null, additionalHostAddresses: [], tlsInsecure: false },
      bitrate: 1_500_000,
      codec: 'h264',
    },
    deps: {
      ...{ bus, log, discarded, metrics, layers, controls },
      audio: NO_AUDIO,
      microphone: new MicrophoneState(false),
      talk: undefined,
      timings: TIMINGS,
      quality: createVideoQualitySettings({ width: 1280, height: 720, bitrate_kbps: 1500 }),
      onChanged: () => undefined,
    },
  })
  return { sessions: memory.use(sessions), observer }
}

test('a close while the offer is created wins: nothing is sent (P6, C11)', async (t) => {
  const { sessions, observer } = await openSessions(t)
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

test('a viewer that only watches takes the place of no viewer that drives, and gives up its own for one', async (t) => {
  const { sessions, observer } = await openSessions(t)
  const errors = await collect(observer, topics.error)
  const watch = (id: string) => sessions.request(id, [], { watchOnly: true })
  const ids = () => sessions.list.map(({ id }) => id)
  await sessions.request('drives', [])
  await watch('watches')
  assert.deepEqual(ids(), ['drives', 'watches'])
  await watch('watches later')
  assert.deepEqual(ids(), ['drives', 'watches later'])
  await sessions.request('drives, too', [])
  assert.deepEqual(ids(), ['drives', 'drives, too'])
  await watch('too late')
  assert.deepEqual(ids(), ['drives', 'drives, too'])
  const { payload } = await errors.next({ where: ({ session_id }) => session_id === 'too late' })
  assert.deepEqual([payload.code, /places are taken/.test(payload.error)], ['no-place', true])
  await sessions.request('drives as well', [])
  assert.deepEqual(ids(), ['drives, too', 'drives as well'])
})

test('a viewer that only watches ends no session of a viewer that drives by its id', async (t) => {
  const { sessions, observer } = await openSessions(t)
  const closed = await collect(observer, topics.closed)
  await sessions.request('S', [])
  const driving = sessions.get('S')
  await sessions.request('S', [], { watchOnly: true })
  assert.equal(sessions.get('S'), driving)
  await sessions.request('W', [], { watchOnly: true })
  const watching = sessions.get('W')
  await sessions.request('W', [], { watchOnly: true })
  assert.notEqual(sessions.get('W'), watching, 'its own begins again')
  await sessions.request('S', [])
  assert.notEqual(sessions.get('S'), driving)
  assert.equal(closed.all.length, 0)
})
