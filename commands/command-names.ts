/** Commands that apps are known to send. Robot services may take others; these are also understood as a bare `type`. */
export const KNOWN_COMMANDS: ReadonlySet<string> = new Set([
  ...['motor', 'motor_command', 'drive', 'stop', 'emergency_stop', 'set_manual_control', 'camera_control'],
  ...['servo', 'servo_center', 'take_photo', 'record_video', 'stop_recording', 'set_tracking_enabled'],
  ...['set_video_quality', 'set_mode', 'mode', 'local_mode', 'cloud_mode', 'set_night_mode_override'],
  ...[
    'treat',
    'dispense_treat',
    'treat_unjam',
    'carousel_rotate',
    'treat_counter_set',
    'treat_counter_reset',
  ],
  ...['audio', 'audio_toggle', 'audio_next', 'audio_prev', 'audio_stop', 'audio_volume', 'set_volume'],
  ...['ptt_play', 'ptt_record', 'audio_request', 'play_voice', 'call_dog', 'play_command', 'upload_voice'],
  ...['list_voices', 'delete_voice', 'upload_song', 'download_song', 'delete_song', 'list_songs'],
  ...['led', 'led_color', 'led_off', 'mood_led', 'start_mission', 'stop_mission', 'cancel_mission'],
  ...['mission_status', 'get_mission_status', 'list_missions', 'mission_config', 'force_trick', 'sg_config'],
  ...['select_dog', 'reload_dogs', 'get_schedules', 'create_schedule', 'update_schedule', 'delete_schedule'],
  ...['get_scheduler_status', 'controller_status', 'controller_scan', 'controller_pair', 'controller_trust'],
  ...['controller_forget', 'controller_reconnect'],
])
