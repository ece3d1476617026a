import { z } from 'zod'

/** An event that apps and the relay know. Further fields are allowed and passed on. */
interface EventType {
  description: string
  /** Fields that apps and the relay read. */
  fields: z.ZodObject
  /** `now`: sent to the apps that are there, and not kept for a later connection to the relay. */
  delivery: 'kept' | 'now'
}

const about = (description: string, unit?: string) => (unit ? { description, unit } : { description })
const text = (description: string) => z.string().nullish().meta(about(description))
const number = (description: string, unit?: string) => z.number().nullish().meta(about(description, unit))
const integer = (description: string, unit?: string) => z.int().nullish().meta(about(description, unit))
const flag = (description: string) => z.boolean().nullish().meta(about(description))
const object = (description: string) => z.record(z.string(), z.unknown()).nullish().meta(about(description))
const list = (description: string) => z.array(z.unknown()).nullish().meta(about(description))
const anything = (description: string) => z.unknown().optional().meta(about(description))

const dog = {
  dog_id: text('id of the dog in the app, as in `cloud/profiles`; null when the dog is not identified'),
  dog_name: text('its name'),
}
const outcome = {
  success: flag('whether it worked'),
  error: text('what went wrong, in words for a person'),
}
const camera = {
  camera_ok: flag('whether the camera delivers frames'),
  camera_error: text('why it does not'),
}
const size = integer('size of the file', 'bytes')
const filename = text('name of the file')
const mode = text('`idle`, `silent_guardian`, `coach`, `mission` or `manual`')
const trick = text('name of the trick')

const mission = z.looseObject({
  action: text('what has just happened, such as `stage_complete`'),
  mission_id: text('id of the mission'),
  status: text('state of the mission, such as `running`'),
  stage_number: integer('current stage, from 1'),
  total_stages: integer('number of stages'),
  trick,
  progress: number('progress of the stage, 0 to 1'),
  target_sec: number('how long the dog has to hold the trick', 's'),
  ...dog,
})
const treat = z.looseObject({
  behavior: text('what the treat was for'),
  count: integer('treats dispensed this time'),
  remaining: integer('treats left in the magazine'),
  treats_today: integer('treats dispensed today'),
  ...dog,
})
const detection = z.looseObject({
  detected: flag('false: the last dog has left the picture'),
  id_method: text('how the dog was identified, such as `aruco`'),
  behavior: text('what the dog does, such as `sit`'),
  confidence: number('0 to 1'),
  aruco_id: integer('number of the marker on the collar'),
  ...dog,
})
const bark = z.looseObject({
  emotion: text('such as `alert` or `happy`'),
  confidence: number('0 to 1'),
  loudness_db: number('loudness relative to full scale', 'dBFS'),
  ...dog,
})
const coach = z.looseObject({ trick, progress: number('0 to 1'), ...dog })
const schedule = z.looseObject({ schedule: object('the schedule as the app knows it') })
const enabled = z.looseObject({ enabled: flag('whether it is on') })
const settings = z.looseObject({ config: object('the new settings') })
const upload = z.looseObject({ filename, size_bytes: size, dog_id: dog.dog_id, ...outcome })
const controller = z.looseObject({
  connected: flag('whether a gamepad is connected'),
  battery: number('charge of the gamepad', '%'),
  ...outcome,
})

/** What may be published on `event/<name>` with a meaning to apps and relay. Other names reach the apps as they are. */
export const EVENT_TYPES: Readonly<Record<string, EventType>> = {
  status: {
    description:
      'State of the robot, built by the bridge from telemetry every 5 s while an app is connected; what no service reports is null.',
    fields: z.looseObject({
      battery: z.number().min(0).max(100).nullable().meta(about('charge, one decimal', '%')),
      temperature: z.number().nullable().meta(about('temperature of the processor', '°C')),
      mode: z.string().nullable().meta(about('as in `mode_changed`')),
      is_charging: z.boolean().nullable().meta(about('whether the battery is being charged')),
      treats_remaining: z.int().nullable().meta(about('treats left in the magazine')),
      connection_type: z
        .enum(['LAN', 'WAN'])
        .nullable()
        .meta(about('of the newest viewer: `WAN` through a TURN server, else `LAN`; null without a viewer')),
      volume: z.number().nullable().meta(about('volume of the speaker', '%')),
      camera_ok: z.boolean().nullable().meta(about('whether the camera delivers frames')),
      camera_error: z.string().nullable().meta(about('why it does not')),
    }),
    delivery: 'now',
  },
  camera_status_changed: {
    description: 'The camera was lost or is back. Published by vision.',
    fields: z.looseObject(camera),
    delivery: 'kept',
  },
  privacy_changed: {
    description:
      'Privacy was turned on or off: camera and microphone are closed or open again. Published by vision.',
    fields: z.looseObject({
      enabled: flag('whether it is on'),
      until: integer('when this changes, if that is known', 'ms since the epoch'),
      source: text('what decided, as in `state/privacy`'),
    }),
    delivery: 'kept',
  },
  battery: {
    description: 'Charge of the battery. Built by the bridge from `telemetry/battery`.',
    fields: z.looseObject({
      level: z.number().min(0).max(100).meta(about('charge', '%')),
      charging: flag('whether it is being charged'),
      voltage: number('voltage of the battery', 'V'),
      temperature: number('temperature of the battery', '°C'),
      treats_today: integer('treats dispensed today'),
      mode,
    }),
    delivery: 'now',
  },
  mode_changed: {
    description:
      'The robot has changed its mode. Built by the bridge from `telemetry/mode` at each registration.',
    fields: z.looseObject({
      mode: z.string().meta(about('`idle`, `silent_guardian`, `coach`, `mission` or `manual`')),
      previous_mode: mode,
      locked: flag('whether apps may change it'),
      reason: text('why it changed, such as `app`'),
    }),
    delivery: 'kept',
  },
  network_state: {
    description: 'How the robot is connected. Built by the bridge from `telemetry/network_state`.',
    fields: z.looseObject({
      mode: text('`wifi`, or `ap` while the robot is its own hotspot'),
      ssid: text('name of the network'),
      ip: text('address of the robot in it'),
      signal: number('signal strength', 'dBm'),
      local_ap: object('the hotspot: `ssid`, `ip`, `api`, `ws`, and `password` if the config shares it'),
    }),
    delivery: 'kept',
  },
  detection: {
    description: 'The detector sees something. One per label in 5 s. Published by vision.',
    fields: detection,
    delivery: 'now',
  },
  dog_detected: { description: 'As `detection`, for the history.', fields: detection, delivery: 'kept' },
  bark: { description: 'A dog barked.', fields: bark, delivery: 'kept' },
  bark_detected: { description: 'Older name of `bark`.', fields: bark, delivery: 'kept' },
  alert: {
    description: 'Something that the owner has to know.',
    fields: z.looseObject({
      alert_type: text('kind of the alert, such as `battery_low`'),
      message: text('in words for the owner'),
    }),
    delivery: 'kept',
  },
  guardian: {
    description: 'The guardian mode did something.',
    fields: z.looseObject({
      action: z.enum(['started', 'stopped', 'intervention', 'reset']).nullish().meta(about('what it did')),
      escalation_level: integer('level of the intervention'),
      session_id: text('id of the run of the guardian mode'),
      ...dog,
    }),
    delivery: 'kept',
  },
  treat_dispensed: { description: 'A treat was dispensed.', fields: treat, delivery: 'kept' },
  dispenser_empty: { description: 'The magazine is empty.', fields: treat, delivery: 'kept' },
  unknown_dog_detected: {
    description: 'A dog that is not one of the owner’s.',
    fields: z.looseObject({
      aruco_id: integer('number of the marker on the collar'),
      position: anything('where in the picture'),
    }),
    delivery: 'kept',
  },
  mission_progress: { description: 'A mission has moved on.', fields: mission, delivery: 'kept' },
  mission_complete: { description: 'A mission is complete.', fields: mission, delivery: 'kept' },
  mission_stopped: { description: 'A mission was stopped.', fields: mission, delivery: 'kept' },
  mission_error: {
    description: 'A mission failed.',
    fields: z.looseObject({ ...mission.shape, error: outcome.error }),
    delivery: 'kept',
  },
  mission_status: { description: 'Answer to `mission_status`.', fields: mission, delivery: 'kept' },
  coach_progress: {
    description: 'Progress of a trick in coach mode, about twice a second.',
    fields: coach,
    delivery: 'now',
  },
  coach_reward: { description: 'A trick was rewarded.', fields: coach, delivery: 'kept' },
  trick_forced: { description: 'A trick was asked for with `force_trick`.', fields: coach, delivery: 'kept' },
  audio_state: {
    description: 'State of the music player.',
    fields: z.looseObject({
      state: z.enum(['playing', 'stopped', 'paused']).nullish().meta(about('state of the player')),
      track: text('file that is played'),
      playing: flag('whether it plays'),
      playlist_index: integer('place in the list, from 0'),
      playlist_length: integer('files in the list'),
    }),
    delivery: 'kept',
  },
  audio_played: {
    description: 'A push-to-talk clip was played.',
    fields: z.looseObject({ queue_depth: integer('clips that wait'), ...outcome }),
    delivery: 'kept',
  },
  audio_message: {
    description: 'A recording, the answer to `audio_request`.',
    fields: z.looseObject({
      data: text('the recording, base64'),
      format: text('`aac`, `wav`, `mp3`, `opus` or `m4a`'),
      duration_ms: integer('length', 'ms'),
      size_bytes: size,
    }),
    delivery: 'now',
  },
  audio_error: {
    description: 'A recording failed.',
    fields: z.looseObject({ error: outcome.error }),
    delivery: 'kept',
  },
  photo: {
    description: 'A photo, the answer to `take_photo`. Published by vision.',
    fields: z.looseObject({
      data: text('the JPEG, base64'),
      filename,
      resolution: anything('width and height, such as `1280x720`'),
      size_bytes: size,
      with_hud: flag('whether boxes and clock are drawn into it'),
    }),
    delivery: 'kept',
  },
  video_ready: {
    description: 'A recording was uploaded to the relay, the answer to `record_video` and `stop_recording`.',
    fields: z.looseObject({
      filename,
      download_url: text('where to fetch it, relative to the relay'),
      size_bytes: size,
      ...outcome,
    }),
    delivery: 'kept',
  },
  recording_stopped: {
    description: 'The disk is full or cannot be written: nothing is recorded. Published by the recorder.',
    fields: z.looseObject({ reason: text('why'), message: text('the same as a sentence') }),
    delivery: 'kept',
  },
  upload_complete: {
    description: 'A file of the app has arrived on the robot.',
    fields: upload,
    delivery: 'kept',
  },
  upload_error: { description: 'A file of the app did not arrive.', fields: upload, delivery: 'kept' },
  upload_result: { description: 'As `upload_complete` or `upload_error`.', fields: upload, delivery: 'kept' },
  song_deleted: {
    description: 'A song was deleted.',
    fields: z.looseObject({ filename, ...outcome }),
    delivery: 'kept',
  },
  music_update: {
    description: 'The list of songs has changed.',
    fields: z.looseObject({ track: text('file that is played') }),
    delivery: 'kept',
  },
  schedules_list: {
    description: 'Answer to `get_schedules`.',
    fields: z.looseObject({ schedules: list('all schedules') }),
    delivery: 'kept',
  },
  schedule_created: { description: 'A schedule was created.', fields: schedule, delivery: 'kept' },
  schedule_updated: { description: 'A schedule was changed.', fields: schedule, delivery: 'kept' },
  schedule_deleted: {
    description: 'A schedule was deleted.',
    fields: z.looseObject({ schedule_id: text('id of the schedule') }),
    delivery: 'kept',
  },
  scheduler_status: { description: 'The scheduler is on or off.', fields: enabled, delivery: 'kept' },
  tracking_enabled: { description: 'Following the dog is on or off.', fields: enabled, delivery: 'kept' },
  sg_config_updated: { description: 'Settings of the guardian mode.', fields: settings, delivery: 'kept' },
  mission_config_updated: { description: 'Settings of the missions.', fields: settings, delivery: 'kept' },
  unjam_result: {
    description: 'Answer to `treat_unjam`.',
    fields: z.looseObject(outcome),
    delivery: 'kept',
  },
  night_mode_state: {
    description: 'Night mode is on or off.',
    fields: z.looseObject({ active: flag('whether it is on') }),
    delivery: 'kept',
  },
  sentry_detection: {
    description: 'The night sentry saw something.',
    fields: z.looseObject({ confidence: number('0 to 1'), ...dog }),
    delivery: 'kept',
  },
  controller_status: { description: 'State of the gamepad.', fields: controller, delivery: 'now' },
  controller_scan_result: {
    description: 'Gamepads in reach.',
    fields: z.looseObject({ devices: list('gamepads in reach'), ...outcome }),
    delivery: 'now',
  },
  controller_pair_progress: { description: 'Pairing of a gamepad.', fields: controller, delivery: 'now' },
  controller_error: {
    description: 'The gamepad failed.',
    fields: z.looseObject({ error: outcome.error }),
    delivery: 'now',
  },
  metric_event: {
    description: 'A number for the statistics of a dog.',
    fields: z.looseObject({
      dog_id: dog.dog_id,
      metric_type: text('what is counted, such as `treats`'),
      value: number('how many, 1 if missing'),
      mission_type: text('kind of the mission'),
      mission_result: text('how the mission ended'),
      details: anything('further facts'),
    }),
    delivery: 'kept',
  },
  activity_event: {
    description: 'A row of the activity history.',
    fields: z.looseObject({
      event_id: text('id of the row'),
      type_name: z.string().meta(about('kind of the activity')),
      dog_id: dog.dog_id,
      payload: z.record(z.string(), z.unknown()).meta(about('facts of the activity')),
    }),
    delivery: 'kept',
  },
  status_update: {
    description: 'Free form. Without `robot_online: true` old apps show the robot offline.',
    fields: z.looseObject({ robot_online: z.literal(true).meta(about('always true')) }),
    delivery: 'now',
  },
  device_status: {
    description: 'Makes an old app whose video has failed ask for video again.',
    fields: z.looseObject({
      status: text('`online`'),
      robot_online: flag('true'),
    }),
    delivery: 'now',
  },
  error: {
    description: 'Something on the robot failed.',
    fields: z.looseObject({ error: outcome.error }),
    delivery: 'kept',
  },
}

/** Whether an event waits for the relay. Unknown names do. */
export function isKept(name: string): boolean {
  return !Object.hasOwn(EVENT_TYPES, name) || EVENT_TYPES[name]?.delivery !== 'now'
}

/**
 * Fields that apps cast to an integer, wherever they stand: a JSON integer or null, never 3.5 and never "3". Every other
 * number may have a fraction.
 */
export const INTEGER_FIELDS: ReadonlySet<string> = new Set(['sdpMLineIndex', ...integerFields()])

function integerFields(): string[] {
  return Object.values(EVENT_TYPES).flatMap(({ fields }) =>
    Object.entries(fields.shape).flatMap(([name, field]) => (isInteger(field) ? [name] : [])),
  )
}

function isInteger(field: z.core.$ZodType): boolean {
  const takes = (value: unknown) => z.safeParse(field, value).success
  return takes(1) && !takes(1.5) && !takes('1')
}
