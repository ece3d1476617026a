import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { collectConfig } from '#lib/config.ts'
import { ConfigError } from '#lib/config-error.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { ALL_SECTIONS } from '../../../config-schema.ts'

/** Mistakes as operators make them, and the text that each is answered with, after the path of the file. */
const MISTAKES: [yaml: string, ...problems: string[]][] = [
  // names
  ['visoin: {}', ':1:1: visoin: unknown section; did you mean vision?'],
  [
    'camera: {}',
    ':1:1: camera: unknown section; known: cloud, webrtc, vision, audio, recorder, privacy, bus, broker, local_relay, metrics, homeassistant, simulator, data_dir',
  ],
  ['webrtc:\n  video:\n    widht: 640', ':3:5: webrtc.video.widht: unknown key; did you mean width?'],
  ['webrtc:\n  maxConnections: 2', ':2:3: webrtc.maxConnections: unknown key; did you mean max_connections?'],
  [
    'vision:\n  reconnect_delay: 3',
    ':2:3: vision.reconnect_delay: unknown key; did you mean cloud.reconnect_delay?',
  ],
  ['metrics:\n  interval: 3', ':2:3: metrics.interval: unknown key; known here: port'],
  [
    'vision:\n  source: { type: v4l2, fps: 15 }',
    ':2:25: vision.source.fps: unknown key; did you mean webrtc.video.fps or vision.source.fps?',
  ],
  [
    'vision: { zones: { "the sofa": { points: [[0,0],[1,0],[1,1]] } } }',
    ':1:20: vision.zones.the sofa: expected a name of at most 40 letters, digits, _ and -',
  ],
  // structure
  [
    'webrtc: { stun_servers: &servers [*servers] }',
    ': nested deeper than 64 levels, or an alias (*name) within its own anchor (&name)',
  ],
  [
    `vision: ${'['.repeat(100)}${']'.repeat(100)}`,
    ': nested deeper than 64 levels, or an alias (*name) within its own anchor (&name)',
  ],
  // values
  ['webrtc:\n  max_connections: two', ':2:20: webrtc.max_connections: expected a number, found "two"'],
  [
    'webrtc:\n  max_connections: 65',
    ':2:20: webrtc.max_connections: expected a whole number 1 to 64, found 65',
  ],
  ['webrtc:\n  max_connections: 1.5', ':2:20: webrtc.max_connections: expected a whole number, found 1.5'],
  [
    'webrtc:\n  max_connections:',
    ':2:19: webrtc.max_connections: expected a number, found nothing after the colon',
  ],
  ['webrtc:\n  enabled: "yes"', ':2:12: webrtc.enabled: expected true or false, found "yes"'],
  [
    'webrtc: { video: { codec: h265 } }',
    ':1:27: webrtc.video.codec: expected one of H264, VP8, found "h265"; did you mean H264?',
  ],
  [
    'webrtc: { ice: { port_range: [9, 5] } }',
    ':1:30: webrtc.ice.port_range: the first port must be below the second, found a list of 2',
  ],
  ['webrtc: { ice: { port_range: 5 } }', ':1:30: webrtc.ice.port_range: expected a list, found 5'],
  [
    'webrtc: { turn_servers: [{ urls: [turn:a], username: u }] }',
    ':1:26: webrtc.turn_servers[0].credential: expected a text, found nothing',
  ],
  [
    'vision: { source: { type: v4l } }',
    ':1:27: vision.source.type: expected one of rpicam, v4l2, url, exec, synthetic, found "v4l"; did you mean v4l2?',
  ],
  [
    'vision: { source: { url: "rtsp://cam" } }',
    ':1:11: vision.source.type: expected one of rpicam, v4l2, url, exec, synthetic, found nothing',
  ],
  ['vision: { rotate: 45 }', ':1:19: vision.rotate: expected one of 0, 90, 180, 270, found 45'],
  [
    'vision: { detector: { size: { width: 17, height: 32 } } }',
    ':1:38: vision.detector.size.width: expected an even number, found 17',
  ],
  ['vision: { detector: { labels: dog } }', ':1:31: vision.detector.labels: expected a list, found a text'],
  [
    'vision: { zones: { sofa: { points: [[0,0],[1,0]] } } }',
    ':1:36: vision.zones.sofa.points: expected at least 3 entries, found a list of 2',
  ],
  [
    'bus: { url: "http://h" }',
    ':1:13: bus.url: expected an address such as mqtt://host, mqtts://host, ws://host, wss://host, found "http://h"',
  ],
  ['bus: { url: [] }', ':1:13: bus.url: expected at least 1 entry, found a list of 0'],
  ['bus: { password: x }', ':1:1: bus.username: a password needs its username'],
  [
    'cloud: { relay_url: api.example.com }',
    ':1:21: cloud.relay_url: expected ws://… or wss://…, found "api.example.com"',
  ],
  [
    'broker: { ws_origins: [dashboard] }',
    ':1:24: broker.ws_origins[0]: expected an origin such as https://dashboard.example, found "dashboard"',
  ],
  [
    'metrics: { port: "${NOT_SET_ANYWHERE}" }',
    ':1:18: metrics.port: environment variable NOT_SET_ANYWHERE is not set; set it, or put it into the .env file',
  ],
  [
    'vision: on',
    ':1:9: vision: expected a section with keys: source, sources_from_commands, max_pixels, rotate, flip, detector, zones, overlay, snapshot_fps, photos, found a text',
  ],
  // YAML
  ['vision: {}\nvision: {}', ':2:1: this key is in the section twice; delete one'],
  ['vision:\n\trotate: 0', ':2:1: tab used for indentation; use spaces'],
  [
    'vision:\n  rotate: 0\n   flip: none',
    ':2:11: wrong indentation, or a text that contains ": " and needs quotes',
  ],
  ['cloud:\n  device_id: @robot', ':2:14: a text that begins with @, ` or %; put quotes around it'],
  ['cloud:\n  device_id: "robot', ':2:20: missing quote, bracket, or space after ":"'],
  [
    'cloud: *identity',
    ': an alias (*name) without its anchor (&name); put quotes around a text that begins with *',
  ],
  ['- cloud', ':1:1: expected sections, as in configs/robot.yaml'],
  // all at once, in the order of the file
  [
    'webrtc: { max_connections: 0 }\nvision: { flip: up, rotat: 90 }\nbus: { prefx: a }',
    ':1:28: webrtc.max_connections: expected a whole number 1 to 64, found 0',
    ':2:17: vision.flip: expected one of none, horizontal, vertical, found "up"',
    ':2:21: vision.rotat: unknown key; did you mean rotate?',
    ':3:8: bus.prefx: unknown key; did you mean prefix?',
  ],
]

/** Every problem of a config file, without the path of the file. */
function problemsOf(t: TestContext, yaml: string): string[] {
  const path = join(temporaryFolder(t), 'robot.yaml')
  writeFileSync(path, yaml)
  const lines = (): string[] => {
    try {
      return collectConfig(path, ALL_SECTIONS, ['cloud.device_id', 'cloud.device_secret']).problems
    } catch (err) {
      if (!(err instanceof ConfigError)) throw err
      return err.message.split('\n')
    }
  }
  return lines().map((line) => line.replace(path, ''))
}

test('each mistake in a config is answered with its place, its key, what is there and what is allowed', (t) => {
  for (const [yaml, ...expected] of MISTAKES) assert.deepEqual(problemsOf(t, yaml), expected, yaml)
})

test('no error quotes a secret', (t) => {
  for (const yaml of [
    'cloud: { device_secret: [planted] }',
    'cloud: { device_secret:planted }',
    'cloud: device_secret:planted',
    'cloud: { relay_url: "http://user:planted@host/?token=planted" }',
    'cloud: { relay_url: "token=planted" }',
    'bus: { password: { a: planted } }',
    'bus: { url: "http://user:planted@host" }',
    'webrtc: { turn_servers: [{ urls: turn:a, username: u, credential: 4711planted, x: 1 }] }',
    'webrtc: { turn_servers: [{ urls: turn:a, username: u, credential: [planted] }] }',
    'local_relay: { token: [planted], devices: { a: [planted] } }',
    'local_relay: { devices: { a: 4711 } }\nvision: { rotate: secret-planted }',
    'local_relay: { devices: planted }',
    'webrtc: { max_connections: "${PLANTED}" }',
    'cloud:\n  device_secret: "planted\n',
    'cloud:\n  device_secret: planted: b\n',
  ]) {
    process.env.PLANTED = 'planted-value'
    t.after(() => delete process.env.PLANTED)
    const problems = problemsOf(t, yaml)
    assert.ok(problems.length > 0, yaml)
    assert.doesNotMatch(problems.join('\n'), /planted|4711/, yaml)
  }
})
