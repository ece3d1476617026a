/** `local` is a client on this machine without a user name. */
export const USERS = [
  'relay-bridge',
  'webrtc',
  'vision',
  'audio',
  'recorder',
  'homeassistant',
  'ha',
  'health',
  'metrics',
  'doctor',
  'operator',
  'local',
] as const

/** p: may publish, s: may subscribe; in the order of USERS. */
const TABLE = `
wimz/relay-bridge/state          p   -   s   s   s   -   s   s   s   s   s   s
wimz/webrtc/state                s   p   s   s   s   -   s   s   s   s   s   s
wimz/vision/state                s   s   ps  s   s   s   s   s   s   s   s   s
wimz/audio/state                 -   s   s   ps  s   -   s   s   s   s   s   s
wimz/audio/opus                  -   s   -   p   s   -   -   -   -   -   s   s
wimz/audio/talk                  -   p   -   s   -   -   -   -   -   -   s   s
wimz/audio/level                 -   -   -   p   -   s   -   -   -   s   s   s
wimz/audio/demand/webrtc         -   p   -   s   -   -   -   -   -   -   ps  s
wimz/audio/demand/doctor         -   -   -   s   -   -   -   -   -   p   ps  s
wimz/audio/demand/debug          -   -   -   s   -   -   -   -   -   -   ps  ps
wimz/metrics/audio               -   -   -   p   -   -   -   -   s   -   s   s
wimz/command/ptt_play            ps  ps  s   s   s   s   -   -   -   -   ps  s
wimz/recorder/state              -   s   s   s   ps  -   s   s   s   s   s   s
wimz/recorder/clips              -   -   -   -   p   -   -   -   -   -   s   s
wimz/metrics/recorder            -   -   -   -   p   -   -   -   s   -   s   s
wimz/audio/demand/recorder       -   -   -   s   p   -   -   -   -   -   ps  s
wimz/command/record_video        ps  ps  s   -   s   s   -   -   -   -   ps  s
wimz/event/video_ready           s   -   p   -   ps  s   -   -   -   -   ps  ps
wimz/homeassistant/state         -   -   s   s   s   p   s   s   s   s   s   s
wimz/homeassistant/dog           -   -   -   -   -   p   s   -   -   -   s   s
wimz/homeassistant/readings      -   -   -   -   -   p   s   -   -   -   s   s
wimz/homeassistant/event/dog     -   -   -   -   -   p   s   -   -   -   s   s
wimz/homeassistant/set/stop      -   -   -   -   -   s   -   -   -   -   s   s
wimz/reachable                   -   -   -   -   -   s   -   -   -   s   s   s
wimz/restart/vision              -   -   s   -   -   p   -   -   -   -   ps  s
wimz/restart/webrtc              -   s   -   -   -   p   -   -   -   -   ps  s
wimz/broker/state                -   -   s   s   s   -   s   s   s   s   s   s
wimz/motors/state                -   -   s   s   s   -   s   s   s   s   s   s
wimz/metrics/state               -   -   s   s   s   -   s   s   ps  s   s   s
wimz/metrics/metrics             -   -   -   -   -   -   -   -   ps  -   s   s
wimz/metrics/homeassistant       -   -   -   -   -   p   -   -   s   -   s   s
wimz/metrics/vision              -   -   p   -   -   -   -   -   s   -   s   s
wimz/metrics/webrtc              -   p   -   -   -   -   -   -   s   -   s   s
wimz/metrics/relay-bridge        p   -   -   -   -   -   -   -   s   -   s   s
wimz/relay-bridge/link           p   -   -   -   s   -   s   -   -   s   s   s
wimz/signaling/request           p   s   -   -   -   -   -   -   -   -   s   s
wimz/signaling/offer             s   p   -   -   -   -   -   -   -   -   s   s
wimz/signaling/answer            p   s   -   -   -   -   -   -   -   -   s   s
wimz/signaling/candidate/local   s   p   -   -   -   -   -   -   -   -   s   s
wimz/signaling/candidate/remote  p   s   -   -   -   -   -   -   -   -   s   s
wimz/signaling/close             p   s   -   -   -   -   -   -   -   -   s   s
wimz/signaling/closed            s   p   -   -   s   -   -   -   -   -   s   s
wimz/signaling/error             s   p   -   -   -   -   -   -   -   -   s   s
wimz/signaling/whep/answer       s   p   -   -   -   -   -   -   -   -   s   s
wimz/signaling/whep/restart      p   s   -   -   -   -   -   -   -   -   s   s
wimz/webrtc/sessions             s   p   -   -   s   -   s   -   -   -   s   s
wimz/video/high                  -   s   p   -   s   -   -   -   -   -   s   s
wimz/video/low                   -   s   p   -   s   -   -   -   -   s   s   s
wimz/video/high/vp8              -   s   p   -   -   -   -   -   -   -   s   s
wimz/video/high/keyframe         -   p   s   -   p   -   -   -   -   -   ps  s
wimz/video/demand/webrtc         -   p   s   -   -   -   -   -   -   -   ps  s
wimz/video/demand/doctor         -   -   s   -   -   -   -   -   -   p   ps  s
wimz/video/demand/debug          -   -   s   -   -   -   -   -   -   -   ps  ps
wimz/video/demand/recorder       -   s   s   -   p   -   -   -   -   -   ps  s
wimz/vision/detections           -   -   p   -   -   s   -   -   -   -   s   s
wimz/vision/track                -   -   p   -   s   s   -   -   -   -   s   s
wimz/vision/frame                s   -   p   -   s   -   s   -   -   s   s   s
wimz/vision/frame/request        p   -   s   -   p   p   -   -   -   p   ps  s
wimz/command/treat               ps  ps  s   -   s   ps  -   -   -   -   ps  s
wimz/command/emergency_stop      ps  ps  s   -   s   ps  -   -   -   -   ps  s
wimz/command/set_volume          ps  ps  s   s   s   s   -   -   -   -   ps  s
wimz/command/set_privacy         ps  ps  s   -   s   ps  -   -   -   -   ps  s
wimz/command/audio_volume        ps  ps  s   s   s   ps  -   -   -   -   ps  s
wimz/command/motor               ps  ps  s   -   s   s   -   -   -   -   ps  s
wimz/command-result              s   ps  p   p   ps  s   -   -   -   -   ps  ps
wimz/event/audio_played          s   -   p   p   s   s   -   -   -   -   ps  ps
wimz/telemetry/audio             s   -   -   p   -   s   s   -   -   -   ps  ps
wimz/state/privacy               -   -   p   s   s   -   s   -   -   -   s   s
wimz/telemetry/software          s   -   -   -   -   s   s   -   -   -   ps  ps
wimz/cloud/audio_message         p   -   -   s   -   -   -   -   -   -   s   s
wimz/event/bark                  s   -   p   -   s   s   -   -   -   -   ps  ps
wimz/event/of/two/levels         -   -   -   -   -   -   -   -   -   -   ps  ps
wimz/telemetry/battery           s   -   -   -   -   s   s   -   -   -   ps  ps
wimz/telemetry/mode              s   -   s   s   -   s   s   -   -   -   ps  ps
wimz/cloud/profiles              p   -   s   -   -   -   -   -   -   -   s   s
wimz/cloud/user_connected        p   -   -   -   -   -   -   -   -   -   s   s
wimz/+/state                     -   -   s   s   s   -   s   s   s   s   s   s
wimz/video/+                     -   s   -   -   s   -   -   -   -   -   s   s
wimz/event/+                     s   -   -   -   s   s   -   -   -   -   s   s
wimz/event/#                     -   -   -   -   -   -   -   -   -   -   s   s
wimz/command/+                   s   s   s   -   s   s   -   -   -   -   s   s
wimz/#                           -   -   -   -   -   -   -   -   -   -   s   s
+/+                              -   -   -   -   -   -   -   -   -   -   s   s
#                                -   -   -   -   -   -   -   -   -   -   s   s
homeassistant/status             -   -   -   -   -   s   ps  -   -   -   s   s
homeassistant/device/dog/config  -   -   -   -   -   p   ps  -   -   -   s   s
homeassistant/sensor/dog/config  -   -   -   -   -   -   s   -   -   -   s   s
other/webrtc/state               -   -   -   -   -   -   -   -   -   -   s   s
$SYS/broker/uptime               -   -   -   -   -   -   -   -   -   -   s   s
$SYS/#                           -   -   -   -   -   -   -   -   -   -   s   s
`

/** The rights of each of {@link USERS}, by topic. */
export function rows() {
  return TABLE.trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([topic = '', ...rights]) => ({ topic, rights }))
}
