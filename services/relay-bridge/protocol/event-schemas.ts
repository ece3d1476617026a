import { z } from 'zod'

/**
 * Fields that apps cast to an integer: a JSON integer or null, never 3.5 and never "3" (API_CONTRACT 2.4). Everything
 * else that is a number may have a fraction.
 */
export const INTEGERS: ReadonlySet<string> = new Set([
  'treats_today',
  'treats_remaining',
  'remaining',
  'count',
  'duration_ms',
  'sdpMLineIndex',
  'stage_number',
  'total_stages',
  'target_sec',
  'playlist_index',
  'playlist_length',
  'size_bytes',
  'queue_depth',
  'escalation_level',
  'aruco_id',
])

const text = z.string().nullish()
const number = z.number().nullish()
const integer = z.int().nullish()
const flag = z.boolean().nullish()
const object = z.record(z.string(), z.unknown()).nullish()
const dog = { dog_id: text, dog_name: text }
const outcome = { success: flag, error: text }
const camera = { camera_ok: flag, camera_error: text }

const mission = z.looseObject({
  action: text,
  mission_id: text,
  status: text,
  stage_number: integer.describe('from 1'),
  total_stages: integer,
  trick: text,
  progress: number,
  target_sec: integer,
  ...dog,
})
const treat = z.looseObject({
  behavior: text,
  count: integer,
  remaining: integer,
  treats_today: integer,
  ...dog,
})
const schedule = z.looseObject({ schedule: object })
const controller = z.looseObject({ connected: flag, battery: number, ...outcome })
const coach = z.looseObject({ trick: text, progress: number, ...dog })

/** What an event says, by its name: what apps and relay read, further fields allowed. API_CONTRACT 2.4. */
export const EVENT_SHAPES: Readonly<Record<string, z.ZodObject>> = {
  status: z.looseObject({
    battery: z.number().min(0).max(100).nullable(),
    temperature: z.number().nullable(),
    mode: z.string().nullable(),
    is_charging: z.boolean().nullable(),
    treats_remaining: z.int().nullable(),
    connection_type: z.enum(['LAN', 'WAN']).nullable(),
    volume: z.number().nullable(),
    camera_ok: z.boolean().nullable(),
    camera_error: z.string().nullable(),
  }),
  camera_status_changed: z.looseObject(camera),
  battery: z.looseObject({
    level: z.number().min(0).max(100),
    charging: flag,
    voltage: number,
    temperature: number,
    treats_today: integer,
    mode: text,
  }),
  mode_changed: z.looseObject({ mode: z.string(), previous_mode: text, locked: flag, reason: text }),
  network_state: z.looseObject({ mode: text, ssid: text, ip: text, signal: number, local_ap: object }),
  detection: z.looseObject({
    detected: flag,
    id_method: text,
    behavior: text,
    confidence: number,
    aruco_id: integer,
    ...dog,
  }),
  bark: z.looseObject({ emotion: text, confidence: number, loudness_db: number, ...dog }),
  alert: z.looseObject({ alert_type: text, message: text }),
  guardian: z.looseObject({
    action: z.enum(['started', 'stopped', 'intervention', 'reset']).nullish(),
    escalation_level: integer,
    session_id: text,
    ...dog,
  }),
  treat_dispensed: treat,
  dispenser_empty: treat,
  unknown_dog_detected: z.looseObject({ aruco_id: integer, position: z.unknown().optional() }),
  mission_progress: mission,
  mission_complete: mission,
  mission_stopped: mission,
  mission_error: z.looseObject({ ...mission.shape, error: text }),
  mission_status: mission,
  coach_progress: coach,
  coach_reward: coach,
  trick_forced: coach,
  audio_state: z.looseObject({
    state: z.enum(['playing', 'stopped', 'paused']).nullish(),
    track: text,
    playing: flag,
    playlist_index: integer,
    playlist_length: integer,
  }),
  audio_played: z.looseObject({ queue_depth: integer, ...outcome }),
  audio_message: z.looseObject({ data: text, format: text, duration_ms: integer, size_bytes: integer }),
  audio_error: z.looseObject({ error: text }),
  photo: z.looseObject({
    data: text,
    filename: text,
    resolution: z.unknown().optional(),
    size_bytes: integer,
    with_hud: flag,
  }),
  video_ready: z.looseObject({ filename: text, download_url: text, size_bytes: integer, ...outcome }),
  upload_complete: z.looseObject({ filename: text, size_bytes: integer, dog_id: text, ...outcome }),
  song_deleted: z.looseObject({ filename: text, ...outcome }),
  music_update: z.looseObject({ track: text }),
  schedules_list: z.looseObject({ schedules: z.array(z.unknown()).nullish() }),
  schedule_created: schedule,
  schedule_updated: schedule,
  schedule_deleted: z.looseObject({ schedule_id: text }),
  scheduler_status: z.looseObject({ enabled: flag }),
  tracking_enabled: z.looseObject({ enabled: flag }),
  sg_config_updated: z.looseObject({ config: object }),
  mission_config_updated: z.looseObject({ config: object }),
  unjam_result: z.looseObject(outcome),
  night_mode_state: z.looseObject({ active: flag }),
  sentry_detection: z.looseObject({ confidence: number, ...dog }),
  controller_status: controller,
  controller_scan_result: z.looseObject({ devices: z.array(z.unknown()).nullish(), ...outcome }),
  controller_pair_progress: controller,
  controller_error: z.looseObject({ error: text }),
  metric_event: z.looseObject({
    dog_id: text,
    metric_type: text,
    value: number,
    mission_type: text,
    mission_result: text,
    details: z.unknown().optional(),
  }),
  activity_event: z.looseObject({
    event_id: text,
    type_name: z.string(),
    dog_id: text,
    payload: z.record(z.string(), z.unknown()),
  }),
  status_update: z.looseObject({ robot_online: z.literal(true) }),
  device_status: z.looseObject({ status: text, robot_online: flag }),
}
