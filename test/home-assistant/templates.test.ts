import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DogPresence, RelayConnectionState, SessionSummary } from '#bus/messages.ts'
import { encodePayload } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { deviceDiscovery } from '#services/home-assistant/discovery.ts'
import { batteryPercent } from '#services/relay-bridge/app-state/status.ts'
import { withoutJinja } from '#test/helpers/tools.ts'
import { render } from './render.ts'
import { DeviceDiscovery } from './schema.ts'

const skip = withoutJinja()
const { components } = DeviceDiscovery.parse(
  deviceDiscovery({ deviceId: 'wimz_robot_06', name: 'Rex’ robot', prefix: 'wimz' }),
)

/** What Home Assistant makes of these payloads of an entity's topic. */
function states(key: string, payloads: (Buffer | string)[]): string[] {
  const entity = components[key]
  assert.ok(entity && 'value_template' in entity && entity.value_template)
  return render(entity.value_template, payloads)
}

test('dog present and last seen follow homeassistant/dog; null is unknown', { skip }, () => {
  const last_seen = new Date(1_700_000_000_123).toISOString()
  const payloads = [
    { present: true, last_seen },
    { present: false, last_seen },
    { present: null, last_seen: null },
  ].map((dog) => encodePayload(topics.dog, DogPresence.parse(dog)))
  assert.deepEqual(states('dog_present', payloads), ['ON', 'OFF', 'None'])
  // Home Assistant wants a time zone in it
  assert.deepEqual(states('last_seen', payloads), [
    '2023-11-14T22:13:20.123Z',
    '2023-11-14T22:13:20.123Z',
    'None',
  ])
})

test('viewers are the sessions that are connected', { skip }, () => {
  const session = (state: SessionSummary['state']): SessionSummary =>
    SessionSummary.parse({
      ...{ session_id: state, state, since: 1, codec: null, layer: null, bitrate: 0, rtt_ms: null },
      ...{ loss: null, candidate_pair: null, connection_type: null },
    })
  const payloads = [
    [],
    [session('connected')],
    [session('connected'), session('connected'), session('new'), session('closed')],
  ].map((sessions) => encodePayload(topics.sessions, sessions))
  assert.deepEqual(states('viewers', payloads), ['0', '1', '2'])
})

test('the cloud link is connected when the relay has answered', { skip }, () => {
  const link = (connected: boolean) =>
    RelayConnectionState.parse({
      ...{ state: connected ? 'online' : 'waiting', connected, url: null, since: 1, attempts: 0 },
      ...{ last_close: null, next_retry_ms: null, app_present: null, outbox: { depth: 0, dropped: 0 } },
    })
  const payloads = [true, false].map((connected) => encodePayload(topics.link, link(connected)))
  assert.deepEqual(states('link', payloads), ['ON', 'OFF'])
})

test('the battery is the same that the app is told; readings that are taken back are unknown', {
  skip,
}, () => {
  const readings = [
    { level: 76.34 },
    { battery: 50, level: 40 },
    { voltage: 14.4 },
    { voltage: 15.7, level: null },
    { level: 140 },
    { voltage: 9 },
    { level: 0 },
    { charging: true },
    { level: 'full' },
  ]
  const payloads = readings.map((reading) => encodePayload(topics.telemetry, reading))
  const told = states('battery', payloads).map((text) => (text === 'None' ? null : Number(text)))
  assert.deepEqual(
    told,
    readings.map((reading) => batteryPercent(reading)),
  )
  assert.deepEqual(states('battery', [encodePayload(topics.telemetry, null)]), ['None'])
})

test('each entity is available while the services that it needs say so', { skip }, () => {
  const since = Date.now()
  const payloads = (['online', 'offline'] as const).map((state) =>
    encodePayload(topics.serviceState, { state, version: '0', since, more: { of: 'it' } }),
  )
  const needs = Object.entries(components).map(([key, { availability = [] }]) => {
    for (const { value_template = '' } of availability) {
      assert.deepEqual(render(value_template, payloads), ['online', 'offline'])
    }
    return [
      key,
      availability.map(({ topic }) => topics.serviceState.match(topic.replace('wimz/', ''))?.service),
    ]
  })
  assert.deepEqual(Object.fromEntries(needs), {
    camera: ['vision'],
    dog_present: ['homeassistant', 'vision'],
    last_seen: ['homeassistant'],
    viewers: ['webrtc'],
    link: ['relay-bridge'],
    battery: ['homeassistant'],
  })
})
