/**
 * Events that tell of something that happened: kept until the relay has them, whatever happens to the link or to us.
 * API_CONTRACT 2.4, 2.6. An event of a name that stands in neither table is kept as well.
 */
const DURABLE = [
  ...[
    'alert',
    'bark',
    'bark_detected',
    'dog_detected',
    'guardian',
    'unknown_dog_detected',
    'sentry_detection',
  ],
  ...[
    'treat_dispensed',
    'dispenser_empty',
    'unjam_result',
    'mode_changed',
    'night_mode_state',
    'network_state',
  ],
  ...['mission_progress', 'mission_complete', 'mission_stopped', 'mission_error', 'mission_status'],
  ...['coach_reward', 'trick_forced', 'metric_event', 'activity_event', 'camera_status_changed', 'error'],
  ...['audio_state', 'audio_played', 'audio_error', 'song_deleted', 'music_update', 'tracking_enabled'],
  ...['photo', 'video_ready', 'upload_complete', 'upload_error', 'upload_result'],
  ...['schedules_list', 'schedule_created', 'schedule_updated', 'schedule_deleted', 'scheduler_status'],
  ...['sg_config_updated', 'mission_config_updated'],
] as const

/** Readings and answers of a moment: told to whoever is there now, and never again. */
const VOLATILE = [
  ...['status', 'detection', 'coach_progress', 'battery', 'audio_message', 'device_status', 'status_update'],
  ...['controller_status', 'controller_scan_result', 'controller_pair_progress', 'controller_error'],
] as const

export const EVENTS: ReadonlyMap<string, 'durable' | 'volatile'> = new Map<string, 'durable' | 'volatile'>([
  ...DURABLE.map((name) => [name, 'durable'] as const),
  ...VOLATILE.map((name) => [name, 'volatile'] as const),
])

/** Whether the event is kept until the relay has it. */
export function isDurable(name: string): boolean {
  return EVENTS.get(name) !== 'volatile'
}
