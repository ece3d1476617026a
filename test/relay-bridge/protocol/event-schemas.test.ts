import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { EVENT_TYPES, INTEGER_FIELDS } from '#bus/events.ts'
import { topics } from '#bus/topics.ts'
import { eventFrame } from '#services/relay-bridge/protocol/event-encoder.ts'
import { encodeFrame, type Frame } from '#services/relay-bridge/protocol/frame.ts'
import { DetectionEvents } from '#services/vision/track/detection-events.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { online, startBridge } from '../bridge.ts'
import { checkCasts, TEXT_DATA } from './app-casts.ts'

const mission = {
  action: 'stage_complete',
  mission_id: 'm1',
  status: 'running',
  stage_number: 2,
  total_stages: 5,
  trick: 'sit',
  dog_id: 'd1',
  dog_name: 'Rex',
  progress: 0.4,
  target_sec: 30,
}
const treat = { dog_id: 'd1', dog_name: 'Rex', behavior: 'sit', count: 1, remaining: 11, treats_today: 4 }
const coach = { trick: 'sit', progress: 0.5, dog_id: 'd1', dog_name: 'Rex' }
const schedule = { schedule: { id: 's1', mission: 'm1', at: '08:00' } }

/** What a robot service publishes on `event/<name>`, for every event that apps know. */
const PAYLOADS: Record<string, Record<string, unknown>> = {
  camera_status_changed: { data: { camera_ok: false, camera_error: 'no picture for 2 s' } },
  privacy_changed: { enabled: true, until: null, source: 'relay' },
  battery: { level: 76.3, charging: false, voltage: 15.7, temperature: 41.5, treats_today: 4, mode: 'idle' },
  mode_changed: { mode: 'coach', previous_mode: 'idle', locked: false, reason: 'app' },
  network_state: { mode: 'ap', ssid: 'wimz', ip: '10.0.0.1', signal: -40, local_ap: { ssid: 'wimz' } },
  bark: { emotion: 'happy', confidence: 0.91, loudness_db: -12.5, dog_id: null, dog_name: null },
  alert: { alert_type: 'battery_low', message: 'Battery 10 %' },
  guardian: { action: 'intervention', escalation_level: 2, session_id: 'g1', dog_id: 'd1', dog_name: 'Rex' },
  treat_dispensed: treat,
  dispenser_empty: { remaining: 0 },
  unknown_dog_detected: { aruco_id: 7, position: { x: 0.5, y: 0.5 } },
  mission_progress: mission,
  mission_complete: mission,
  mission_stopped: mission,
  mission_error: { ...mission, error: 'no dog in sight' },
  mission_status: mission,
  coach_reward: coach,
  trick_forced: coach,
  audio_state: { state: 'playing', track: 'walk.mp3', playing: true, playlist_index: 0, playlist_length: 3 },
  audio_played: { success: true, queue_depth: 0 },
  audio_message: { data: 'UklGRg==', format: 'wav', duration_ms: 900, size_bytes: 7 },
  audio_error: { error: 'no microphone' },
  photo: { data: '/9j/4AAQ', filename: 'a.jpg', resolution: '1280x720', size_bytes: 6, with_hud: true },
  recording_stopped: { reason: 'the disk is full', message: 'recording stopped: the disk is full' },
  video_ready: { filename: 'a.mp4', download_url: '/api/media/a.mp4', size_bytes: 1_000_000, success: true },
  upload_complete: { success: true, filename: 'a.mp3', size_bytes: 5_000, dog_id: 'd1' },
  song_deleted: { success: true, filename: 'a.mp3' },
  music_update: { track: 'a.mp3', songs: ['a.mp3'] },
  schedules_list: { schedules: [schedule.schedule] },
  schedule_created: schedule,
  schedule_updated: schedule,
  schedule_deleted: { schedule_id: 's1' },
  scheduler_status: { enabled: true },
  tracking_enabled: { enabled: true },
  sg_config_updated: { config: { threshold: 3 } },
  mission_config_updated: { config: { m1: {} } },
  unjam_result: { success: false, error: 'still stuck' },
  night_mode_state: { active: true },
  sentry_detection: { confidence: 0.7, dog_id: null },
  controller_status: { connected: true, battery: 80 },
  controller_scan_result: { success: true, devices: [{ mac: 'x' }] },
  controller_pair_progress: { success: null, connected: false },
  controller_error: { error: 'not paired' },
  metric_event: { dog_id: 'd1', metric_type: 'treats', value: 1 },
  activity_event: { type_name: 'nap', dog_id: 'd1', payload: { minutes: 12 } },
  status_update: { robot_online: true },
  device_status: { status: 'online', robot_online: true },
  dog_detected: { detected: true, dog_id: 'd1', dog_name: 'Rex', confidence: 0.8 },
  bark_detected: { emotion: 'alert', confidence: 0.8, loudness_db: -20, dog_id: null, dog_name: null },
  upload_error: { success: false, error: 'no space', filename: 'a.mp3' },
  upload_result: { success: true, filename: 'a.mp3', size_bytes: 5_000 },
  error: { error: 'the treat wheel is stuck' },
}
/** Never published by a robot service on `event/<name>` for keeps: telemetry, or too many to keep. */
const VOLATILE: Record<string, Record<string, unknown>> = {
  status: { battery: 70.1, temperature: 40, mode: 'idle', is_charging: false, treats_remaining: 7 },
  detection: {
    detected: true,
    dog_id: 'd1',
    dog_name: 'Rex',
    id_method: 'aruco',
    confidence: 0.8,
    aruco_id: 7,
  },
  coach_progress: coach,
}

test('this test has a payload for every event type', () => {
  assert.deepEqual(Object.keys({ ...PAYLOADS, ...VOLATILE }).sort(), Object.keys(EVENT_TYPES).sort())
})

test('every event type, as a robot service publishes it, becomes what apps and relay read', async (t) => {
  const relay = await fakeRelay(t)
  const { robot, link } = await startBridge(t, relay)
  const socket = await relay.robot()
  await link.next(online)
  for (const [name, payload] of Object.entries({ ...PAYLOADS, detection: VOLATILE.detection ?? {} })) {
    await t.test(name, async () => {
      await robot.publish(topics.event, payload, { name })
      const frame = await socket.next(
        ({ event, type, id }) => (event === name || type === name) && id !== undefined,
        5_000,
      )
      checkEvent(name, payload, frame)
    })
  }
})

test('the app’s casts succeed on what vision publishes of a dog that is found and lost', () => {
  const published: Record<string, unknown>[] = []
  const bus = { publish: async (_topic: unknown, payload: unknown) => void published.push(payload as Frame) }
  let now = 0
  const profiles = { dogOf: () => ({ dog_id: 'd1', name: 'Rex' }) }
  const vision = new DetectionEvents(bus as never, profiles as never, () => now)
  for (const score of [0.8154, 1]) {
    vision.detected([{ label: 'dog', score, box: [0, 0, 1, 0.5], track_id: 7 }])
    now += 5_000
  }
  vision.tracked(new Set())
  assert.deepEqual(
    published.map(({ detected, confidence }) => [detected, confidence]),
    [
      [true, 0.815],
      [true, 1],
      [false, undefined],
    ],
  )
  for (const payload of published) checkFields('detection', payload)
})

test('the app’s casts succeed on the text of every event, also for round numbers', () => {
  const round = (value: unknown): unknown => (typeof value === 'number' ? Math.round(value) : value)
  for (const [name, payload] of Object.entries({ ...PAYLOADS, ...VOLATILE })) {
    const rounded = Object.fromEntries(Object.entries(payload).map(([key, value]) => [key, round(value)]))
    for (const fields of [payload, rounded]) checkFields(name, fields)
  }
})

function checkFields(name: string, fields: Record<string, unknown>): void {
  checkCasts(name, encodeFrame(eventFrame(name, fields, { deviceId: 'wimz_robot_99', id: 'id', at: 0 })))
}

function checkEvent(name: string, payload: Record<string, unknown>, frame: Frame): void {
  const shape = EVENT_TYPES[name]?.fields
  assert.ok(shape)
  assert.equal(frame.device_id, 'wimz_robot_99')
  assert.match(String(frame.timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  // a payload field named `data` (`photo`) stands in `data`, where apps look for it; flat that name is the envelope's
  if (!('data' in payload && 'event' in frame)) shape.parse(frame)
  const { data, ...flat } = payload
  const fields: Record<string, unknown> =
    typeof data === 'object' ? (data as Frame) : { ...flat, ...(data === undefined ? {} : { data }) }
  for (const [key, value] of Object.entries(fields)) {
    if (key !== 'data') assert.deepEqual(frame[key], value, `${name}.${key} flat`)
  }
  if (typeof frame.data === 'object') assertHas(frame.data as Frame, fields, `${name} in data`)
  if ('event' in frame) {
    assert.equal('type' in frame, false)
    checkData(name, frame)
  } else {
    assert.ok(['metric_event', 'activity_event', 'status_update'].includes(String(frame.type)))
  }
}

function assertHas(data: Frame, fields: Record<string, unknown>, where: string): void {
  for (const [key, value] of Object.entries(fields)) assert.deepEqual(data[key], value, `${where}: ${key}`)
}

function checkData(name: string, { data }: Frame): void {
  if (TEXT_DATA.includes(name)) assert.equal(typeof data, 'string')
  else EVENT_TYPES[name]?.fields.parse(data)
}

test('the schemas reject what an app cannot read', () => {
  const bad: [string, Record<string, unknown>][] = [
    ['mode_changed', { mode: 5 }],
    ['treat_dispensed', { treats_today: 1.5 }],
    ['audio_state', { playlist_index: '0' }],
    ['battery', { level: null }],
    ['status', { battery: 50 }],
    ['status_update', { robot_online: false }],
    ['activity_event', { payload: {} }],
  ]
  for (const [name, payload] of bad)
    assert.equal(EVENT_TYPES[name]?.fields.safeParse(payload).success, false, name)
})

test('the table of integers holds every integer of the schemas', () => {
  for (const name of [
    'treats_today',
    'remaining',
    'duration_ms',
    'sdpMLineIndex',
    'treats_remaining',
    'count',
  ]) {
    assert.ok(INTEGER_FIELDS.has(name), name)
  }
  for (const [event, { fields }] of Object.entries(EVENT_TYPES)) {
    for (const [key, field] of Object.entries(fields.shape)) {
      const takes = (value: unknown) => z.safeParse(field, value).success
      if (takes(1) && !takes(1.5) && !takes('x')) assert.ok(INTEGER_FIELDS.has(key), `${event}.${key}`)
    }
  }
})
