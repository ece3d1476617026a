import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ContractError } from '#bus/contract-error.ts'
import {
  eventFrame,
  MAX_FRAME_BYTES,
  plainEventFrame,
} from '#services/relay-bridge/protocol/event-encoder.ts'

const ID = '0123456789abcdef0123456789abcdef'
const identity = { deviceId: 'wimz_robot_99', id: ID, at: Date.UTC(2026, 6, 25, 10, 15, 30, 123) }
const framed = (name: string, payload: Record<string, unknown>) => eventFrame(name, payload, identity)

test('an event has its envelope, and its fields flat and in data (I03, I14)', () => {
  assert.deepEqual(framed('bark', { emotion: 'happy', confidence: 0.91 }), {
    event: 'bark',
    device_id: 'wimz_robot_99',
    id: ID,
    timestamp: '2026-07-25T10:15:30.123000Z',
    emotion: 'happy',
    confidence: 0.91,
    data: { emotion: 'happy', confidence: 0.91 },
  })
})

test('a payload cannot set fields of the envelope (I18)', () => {
  const own = { event: 'x', type: 'event', device_id: 'y', id: 'z', timestamp: 5 }
  for (const payload of [own, { data: own }, { ...own, data: own }]) {
    const { data, ...envelope } = framed('alert', payload)
    assert.deepEqual(envelope, {
      event: 'alert',
      device_id: 'wimz_robot_99',
      id: ID,
      timestamp: '2026-07-25T10:15:30.123000Z',
    })
    assert.deepEqual(data, own)
  }
})

test('data is an object whatever was published, and never null (I15)', () => {
  for (const data of [null, undefined]) assert.deepEqual(framed('mission_progress', { data }).data, {})
  for (const data of ['text', 5, true, [1]]) assert.deepEqual(framed('photo_list', { data }).data, { data })
  assert.deepEqual(framed('schedule_created', { a: 1, data: { b: 2 } }).data, { a: 1, b: 2 })
})

test('the data of a photo is its text, and all other fields are flat', () => {
  const picture = 'A'.repeat(900_000)
  for (const payload of [
    { data: picture, filename: 'dog.jpg' },
    { data: { data: picture, filename: 'dog.jpg' } },
  ]) {
    const frame = framed('photo', payload)
    assert.equal(frame.data, picture)
    assert.equal(frame.filename, 'dog.jpg')
  }
  for (const data of [undefined, 5, 'not base64', 'YQ=', 'YQ==\n', 'Y\u0000==', 'YQ==YQ==']) {
    assert.throws(() => framed('photo', { filename: 'dog.jpg', data }), ContractError, String(data))
  }
  assert.throws(() => framed('audio_message', { data: 5 }), ContractError)
})

test('long text is sent once, in data', () => {
  const text = 'A'.repeat(900_000)
  const frame = framed('photo_list', { text })
  assert.deepEqual(frame.data, { text })
  assert.ok(JSON.stringify(frame).length < MAX_FRAME_BYTES)
})

test('a frame over 1 MiB is rejected, counted in bytes', () => {
  const long = (text: string, times: number) => ({ data: { text: text.repeat(times) } })
  assert.throws(() => framed('photo_list', long('A', MAX_FRAME_BYTES)), ContractError)
  assert.throws(() => framed('photo_list', long('ü', MAX_FRAME_BYTES / 2)), /over the limit of 1048576/)
  assert.throws(() => plainEventFrame('status', long('A', MAX_FRAME_BYTES), identity), ContractError)
  framed('photo_list', long('ü', MAX_FRAME_BYTES / 2 - 1_000))
})

test('fields that apps cast to an integer are integers or null, at any depth (I05)', () => {
  const cases: [unknown, number | null][] = [
    [7, 7],
    [7.9, 7],
    [-0.5, 0],
    ['12', 12],
    ['', null],
    ['many', null],
    [null, null],
    [true, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    [1e300, null],
  ]
  for (const [told, said] of cases) {
    const frame = framed('treat_dispensed', { treats_today: told, inner: [{ remaining: told }] })
    assert.equal(frame.treats_today, said)
    assert.deepEqual(frame.data, { treats_today: said, inner: [{ remaining: said }] })
    assert.doesNotMatch(JSON.stringify(frame), /(treats_today|remaining)":-?\d*[.e]/)
  }
})

test('numbers are finite, strings and keys well formed', () => {
  const frame = framed('alert', {
    a: Number.NaN,
    b: [Number.POSITIVE_INFINITY],
    message: 'x\ud800',
    'k\udc00': 1,
  })
  assert.deepEqual(frame.data, { a: null, b: [null], message: 'x\ufffd', 'k\ufffd': 1 })
  assert.ok(JSON.stringify(frame).isWellFormed())
})

test('a field of the wrong type becomes null instead of a failed cast in the app (I05)', () => {
  const { data } = framed('audio_state', { state: 'humming', playing: 'yes', track: 5, playlist_index: '2' })
  assert.deepEqual(data, { state: null, playing: null, track: null, playlist_index: 2 })
})

test('a dog_id is text or null, because an object ends the connection (I11)', () => {
  for (const dog_id of [{ id: 'a' }, 3, ['a'], true]) {
    assert.equal(framed('metric_event', { dog_id, metric_type: 'treats' }).dog_id, null)
    assert.equal((framed('bark', { dog_id }).data as { dog_id: unknown }).dog_id, null)
  }
  assert.equal(framed('bark', { dog_id: '1769441492377' }).dog_id, '1769441492377')
})

test('nesting is bounded, because 1,000 levels end the connection', () => {
  const nested = (levels: number) => {
    let value: unknown = 1
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value }
    return { value }
  }
  framed('alert', nested(30))
  for (const levels of [40, 1_000, 100_000]) {
    assert.throws(() => framed('alert', nested(levels)), /nested deeper/)
    assert.throws(() => plainEventFrame('status', { data: nested(levels) }, identity), ContractError)
  }
})

test('type-keyed events are sent with type and without event', () => {
  const metric = framed('metric_event', { dog_id: 'd1', metric_type: 'treats', value: 1, event: 'x' })
  assert.deepEqual(metric, {
    type: 'metric_event',
    device_id: 'wimz_robot_99',
    id: ID,
    timestamp: '2026-07-25T10:15:30.123000Z',
    dog_id: 'd1',
    metric_type: 'treats',
    value: 1,
  })
  assert.deepEqual(framed('activity_event', { type_name: 'nap' }).payload, {})
  assert.deepEqual(framed('activity_event', { type_name: 'nap', payload: 'x' }).payload, {})
  assert.deepEqual(framed('activity_event', { type_name: 'nap', payload: { a: 1 } }).payload, { a: 1 })
})

test('a status_update that would show the robot offline is rejected (I16)', () => {
  for (const payload of [{}, { robot_online: false }, { robot_online: 'true' }, { data: { online: true } }]) {
    assert.throws(() => framed('status_update', payload), /robot_online/)
  }
  const frame = framed('status_update', { robot_online: true, online: true, battery: 5 })
  assert.equal(frame.type, 'status_update')
  assert.equal('event' in frame, false)
  assert.equal('online' in frame, false)
  assert.deepEqual(frame.data, { robot_online: true, battery: 5 })
})

test('modes have the names that apps know (I07)', () => {
  const mode = (name: string) => framed('mode_changed', { mode: name, previous_mode: name }).mode
  assert.deepEqual(['idle', 'silent_guardian', 'coach', 'mission', 'manual'].map(mode), [
    'idle',
    'silent_guardian',
    'coach',
    'mission',
    'manual',
  ])
  assert.deepEqual(['photography', 'emergency', 'guardian'].map(mode), [
    'manual',
    'manual',
    'silent_guardian',
  ])
  assert.equal(framed('network_state', { mode: 'ap' }).mode, 'ap')
})

test('guardian actions keep their names (I13)', () => {
  for (const action of ['started', 'stopped', 'intervention', 'reset']) {
    assert.equal(framed('guardian', { action }).action, action)
  }
})

test('the hotspot password is removed from events', () => {
  const frame = framed('network_state', {
    mode: 'ap',
    local_ap: { ssid: 'wimz', password: 'p' },
    password: 'p',
  })
  assert.deepEqual(frame.data, { mode: 'ap', local_ap: { ssid: 'wimz' } })
})

test('keys of a prototype are ordinary fields or removed', () => {
  const payload = JSON.parse('{"__proto__":{"mode":"x"},"constructor":{"a":1},"hasOwnProperty":1}')
  const frame = framed('constructor', payload)
  assert.deepEqual(Object.keys(frame.data as object), ['constructor', 'hasOwnProperty'])
  assert.equal(frame.event, 'constructor')
  assert.equal(Object.getPrototypeOf(frame), Object.prototype)
})

test('a volatile event has no id, and cannot change its name (I10)', () => {
  const frame = plainEventFrame('battery', { level: 50, id: 'x', type: 'event', event: 'y' }, identity)
  assert.deepEqual(frame, {
    event: 'battery',
    device_id: 'wimz_robot_99',
    timestamp: '2026-07-25T10:15:30.123000Z',
    level: 50,
  })
})

test('no password of a network is in an event, whatever its key is called and however deep', () => {
  const secret = 'planted-secret'
  const payload = {
    mode: 'wifi',
    ...{ psk: secret, wifi_psk: secret, PSK: secret, passphrase: secret, ap_password: secret },
    wifi: { ssid: 'home', psk: secret, ap: { passphrase: secret, channel: 6 } },
  }
  const frame = framed('network_state', { ...payload, data: payload })
  assert.doesNotMatch(JSON.stringify(frame), /planted-secret/)
  assert.deepEqual(frame.data, { mode: 'wifi', wifi: { ssid: 'home', ap: { channel: 6 } } })
})

test('text of up to 16 KiB is flat as well, longer text only in data', () => {
  const lengths = [16 * 1024, 16 * 1024 + 1]
  assert.deepEqual(
    lengths.map((length) => 'text' in framed('photo_list', { text: 'A'.repeat(length) })),
    [true, false],
  )
})

test('the largest frame has 1 MiB', () => {
  assert.equal(MAX_FRAME_BYTES, 1_048_576)
})

test('a field of the wrong type that is not there stays away', () => {
  const { data } = framed('audio_state', {})
  assert.deepEqual(data, {})
})

test('a dog_id is well formed', () => {
  assert.equal(framed('bark', { dog_id: 'x\ud800' }).dog_id, 'x\ufffd')
  assert.deepEqual(framed('mission_progress', { inner: { dog_id: { id: 1 } } }).inner, { dog_id: null })
})
