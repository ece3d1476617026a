const TRACKING = ['test/vision/track/tracker.test.ts', 'test/vision/track/thresholds.test.ts']

/** Central files, each with the tests that have to notice a fault in it. */
export const TARGETS: readonly { file: string; tests?: readonly string[] }[] = [
  { file: 'bus/access-unit.ts', tests: ['test/bus/access-unit.test.ts'] },
  { file: 'bus/topic.ts', tests: ['test/bus/topic.test.ts', 'test/bus/bus.test.ts'] },
  { file: 'lib/atomic-file.ts', tests: ['test/lib/atomic-file.test.ts'] },
  { file: 'lib/backoff.ts', tests: ['test/lib/backoff.test.ts'] },
  { file: 'lib/config.ts', tests: ['test/lib/config.test.ts'] },
  { file: 'lib/redact.ts', tests: ['test/lib/redact.test.ts'] },
  {
    file: 'commands/drive/motor-guard.ts',
    tests: [
      'test/commands/drive/motor-guard-times.test.ts',
      'test/commands/drive/motor-guard.test.ts',
      'test/commands/drive/motor-silence.test.ts',
    ],
  },
  {
    file: 'services/relay-bridge/protocol/event-encoder.ts',
    tests: ['test/relay-bridge/protocol/event-encoder.test.ts'],
  },
  {
    file: 'services/relay-bridge/outbox/outbox-store.ts',
    tests: ['test/relay-bridge/outbox/outbox-store.test.ts'],
  },
  {
    file: 'services/relay-bridge/outbox/outbox-sender.ts',
    tests: ['test/relay-bridge/outbox/outbox-sender.test.ts'],
  },
  {
    file: 'services/relay-bridge/connection/retry-schedule.ts',
    tests: ['test/relay-bridge/connection/retry-schedule.test.ts'],
  },
  { file: 'lib/http/login-throttle.ts', tests: ['test/lib/http/login-throttle.test.ts'] },
  {
    file: 'broker/limits/connection-limiter.ts',
    tests: ['test/broker/limits/connection-limiter.test.ts'],
  },
  {
    file: 'services/webrtc/congestion/estimator.ts',
    tests: ['test/webrtc/congestion/estimator.test.ts', 'test/webrtc/congestion/estimator-limits.test.ts'],
  },
  {
    file: 'services/webrtc/video/rate-control.ts',
    tests: ['test/webrtc/video/rate-control.test.ts', 'test/webrtc/video/rate-limits.test.ts'],
  },
  { file: 'services/vision/track/tracker.ts', tests: TRACKING },
  { file: 'services/vision/track/associate.ts', tests: TRACKING },
  { file: 'services/vision/detect/nms.ts', tests: ['test/vision/detect/nms.test.ts'] },
  {
    file: 'services/vision/encode/overload-control.ts',
    tests: ['test/vision/encode/overload-control.test.ts'],
  },
  {
    file: 'services/vision/overlay/overlay.ts',
    tests: [
      'test/vision/overlay/overlay.test.ts',
      'test/vision/overlay/placement.test.ts',
      'test/vision/overlay/golden.test.ts',
      'test/vision/overlay/text.test.ts',
    ],
  },
  {
    file: 'services/webrtc/werift-patches/stun-guard.ts',
    tests: ['test/webrtc/werift-patches/stun-guard.test.ts'],
  },
  {
    file: 'services/webrtc/werift-patches/rtcp-guard.ts',
    tests: ['test/webrtc/werift-patches/transport-feedback.test.ts', 'test/webrtc/session/limits.test.ts'],
  },
  {
    file: 'services/webrtc/werift-patches/sctp-guard.ts',
    tests: ['test/webrtc/werift-patches/sctp-guard.test.ts'],
  },
  {
    file: 'services/webrtc/werift-patches/sctp-packet.ts',
    tests: ['test/webrtc/werift-patches/sctp-packet.test.ts'],
  },
  { file: 'services/vision/detect/detect-format.ts', tests: ['test/vision/detect/detect-format.test.ts'] },
  {
    file: 'broker/auth/authorizer.ts',
    tests: ['test/broker/auth/authorizer.test.ts', 'test/broker/auth/remote-logins.test.ts'],
  },
  { file: 'broker/protocol/packet-reader.ts', tests: ['test/broker/protocol/packet-reader.test.ts'] },
  { file: 'broker/protocol/publish-packet.ts', tests: ['test/broker/protocol/publish-packet.test.ts'] },
  { file: 'commands/actuators.ts' },
  { file: 'commands/command-age.ts' },
  { file: 'commands/command-message.ts' },
  { file: 'commands/drive-acks.ts' },
  { file: 'commands/pending-commands.ts' },
  { file: 'commands/wire-time.ts' },
  { file: 'commands/drive/drive-sequence.ts' },
  { file: 'doctor/machine-check.ts', tests: ['test/doctor/machine-check.test.ts'] },
]
