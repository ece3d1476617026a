import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DogPresence, Readings, RelayConnectionState, SessionSummary, VisionState } from '#bus/messages.ts'
import { encodePayload } from '#bus/topic.ts'
import { topics } from '#bus/topics.ts'
import { CONTROLS } from '#commands/controls.ts'
import { deviceDiscovery } from '#services/home-assistant/discovery.ts'
import { batteryPercent } from '#services/relay-bridge/app-state/status.ts'
import { withoutJinja } from '#test/helpers/tools.ts'
import { render } from './render.ts'
import { DeviceDiscovery } from './schema.ts'

const skip = withoutJinja()
const { components } = DeviceDiscovery.parse(
  deviceDiscovery({
    deviceId: 'wimz_robot_06',
    name: 'Rex’ robot',
    prefix: 'wimz',
    controls: [...CONTROLS],
    hasAudio: true,
    hasSpeaker: true,
  }),
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

test('switches and selects show what services report; what is missing or unknown is None', { skip }, () => {
  const vision = (detail: object) =>
    encodePayload(
      topics.visionState,
      VisionState.parse({ state: 'online', version: '0', since: 1, ...detail }),
    )
  const detector = (enabled: boolean) => ({
    ...{ ok: true, error: null, enabled, model: 'a.onnx', labels: [], min_score: 0.5, keep_score: 0.4 },
    ...{ max_fps: 5, threads: 1, inference_ms: null, fps: 0 },
  })
  const payloads = [
    vision({ overlay: true, detector: detector(false) }),
    vision({ overlay: false, detector: detector(true) }),
    vision({}),
  ]
  assert.deepEqual(states('overlay', payloads), ['ON', 'OFF', 'None'])
  assert.deepEqual(states('detector', payloads), ['OFF', 'ON', 'None'])
  const privacy = [true, false].map((enabled) =>
    encodePayload(topics.privacy, { enabled, until: null, source: 'config' }),
  )
  assert.deepEqual(states('privacy', privacy), ['ON', 'OFF'])
  const webrtc = ['low', undefined].map((quality) =>
    encodePayload(topics.webrtcState, {
      state: 'online',
      version: '0',
      since: 1,
      ...(quality && { quality }),
    }),
  )
  assert.deepEqual(states('quality', webrtc), ['low', 'None'])
  const modes = [{ mode: 'coach' }, { mode: 'dance' }, {}, null].map((mode) =>
    encodePayload(topics.telemetry, mode),
  )
  assert.deepEqual(states('mode', modes), ['coach', 'None', 'None', 'None'])
})

test('readings and figures of the video are numbers, or None where unknown', { skip }, () => {
  const age = (p50: number) => ({ p50, p95: 90 })
  const vision = (detail: object) =>
    encodePayload(
      topics.visionState,
      VisionState.parse({ state: 'online', version: '0', since: 1, ...detail }),
    )
  const payloads = [
    vision({ fps: 14.97, latency_ms: { capture: age(3.4), detect: null, encode: age(21.6) } }),
    vision({ fps: 0, latency_ms: { capture: age(3.4), detect: null, encode: null } }),
    vision({ latency_ms: { capture: null, detect: null, encode: null } }),
    vision({}),
  ]
  assert.deepEqual(states('fps', payloads), ['15', '0', 'None', 'None'])
  assert.deepEqual(states('picture_age', payloads), ['22', '3', 'None', 'None'])
  const readings = {
    treats_left: 0,
    temperature: 51,
    wifi_signal: null,
    storage_free: 12.3,
    sound_level: -40,
  }
  const payload = [encodePayload(topics.readings, Readings.parse(readings))]
  for (const [key, value] of Object.entries(readings))
    assert.deepEqual(states(key, payload), [`${value ?? 'None'}`])
})

test('the update entity has the installed version, and the newest where it is reported', { skip }, () => {
  const state = { state: 'online' as const, version: '0.2.0', since: 1 }
  assert.deepEqual(states('software', [encodePayload(topics.serviceState, state)]), ['0.2.0'])
  const { software } = components
  assert.ok(software && 'latest_version_template' in software && software.latest_version_template)
  assert.equal('command_topic' in software, false)
  const readings = [{ latest_version: '0.3.0' }, { latest_version: null }, {}, null]
  const payloads = readings.map((reading) => encodePayload(topics.telemetry, reading))
  assert.deepEqual(render(software.latest_version_template, payloads), ['0.3.0', '', '', ''])
})

test('the volume is that of the speaker, in percent', { skip }, () => {
  const readings = [{ volume: 40 }, { volume: 0 }, {}, null]
  const payloads = readings.map((reading) => encodePayload(topics.telemetry, reading))
  assert.deepEqual(states('volume', payloads), ['40', '0', 'None', 'None'])
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
    stop: ['homeassistant'],
    photo: ['homeassistant', 'vision'],
    treat: ['homeassistant'],
    mode: ['homeassistant'],
    overlay: ['homeassistant', 'vision'],
    detector: ['homeassistant', 'vision'],
    privacy: ['homeassistant', 'vision'],
    quality: ['homeassistant', 'webrtc'],
    restart: ['homeassistant'],
    volume: ['homeassistant', 'audio'],
    dog: ['homeassistant', 'vision'],
    zone: ['homeassistant', 'vision'],
    bark: ['homeassistant'],
    command: ['homeassistant'],
    treats_left: ['homeassistant'],
    temperature: ['homeassistant'],
    wifi_signal: ['homeassistant'],
    storage_free: ['homeassistant'],
    sound_level: ['homeassistant', 'audio'],
    fps: ['vision'],
    picture_age: ['vision'],
    software: ['homeassistant'],
  })
})
