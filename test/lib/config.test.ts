import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { configPath, parseSections, readConfigFile } from '#lib/config.ts'
import { ConfigError } from '#lib/config-error.ts'
import { BusSection, CloudIdentity, DataDir, MetricsSection, WebrtcSection } from '#lib/config-schema.ts'

function files(t: TestContext, contents: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(folder, name), text)
  return join(folder, 'robot.yaml')
}

const Cloud = z.strictObject({ device_id: z.string(), device_secret: z.string().default('') })

test('references are replaced from the environment, then from the .env file beside it', (t) => {
  const path = files(t, {
    'robot.yaml': 'cloud: { device_id: "${ID}", device_secret: "$${x} ${SECRET} ${NONE:-none}" }',
    '.env': 'ID=from-file\nSECRET=s3',
  })
  const { cloud } = parseSections(readConfigFile(path, { ID: 'from-env' }), { cloud: Cloud })
  assert.deepEqual(cloud, { device_id: 'from-env', device_secret: '${x} s3 none' })
})

test('a missing variable is named, with the key that wants it', (t) => {
  const path = files(t, { 'robot.yaml': 'cloud: { device_id: "${DEVICE_ID}" }' })
  const file = readConfigFile(path, {})
  assert.throws(
    () => parseSections(file, { cloud: Cloud }),
    (err) => err instanceof ConfigError && /cloud\.device_id: .*DEVICE_ID is not set/.test(err.message),
  )
  assert.equal(parseSections(file, { cloud: Cloud }, ['cloud.device_id']).cloud.device_id, '')
})

test('an identity that is empty or left out comes from the environment, one that is given does not', (t) => {
  const names = ['cloud.device_id', 'cloud.device_secret']
  const env = { DEVICE_ID: 'eid', DEVICE_SECRET: ' es\n' }
  const identity = (yaml: string, environment: Record<string, string> = env) => {
    const file = readConfigFile(files(t, { 'robot.yaml': yaml }), environment)
    return Object.values(parseSections(file, { cloud: CloudIdentity }, names).cloud)
  }
  for (const yaml of ['', 'cloud:', 'cloud: {}', "cloud: { device_id: '', device_secret: ' ' }"])
    assert.deepEqual(identity(yaml), ['eid', 'es'], yaml)
  assert.deepEqual(identity('cloud: { device_id: mine, device_secret: "${OTHER:-}" }'), ['mine', 'es'])
  assert.deepEqual(identity('cloud: { device_id: "$${DEVICE_ID}", device_secret: own }'), ['eid', 'own'])
  assert.deepEqual(identity('', { DEVICE_ID: '${DEVICE_ID}' }), ['', ''])
  const secret = join(dirname(files(t, { secret: 'from a file\n' })), 'secret')
  assert.deepEqual(identity('', { DEVICE_ID: 'eid', DEVICE_SECRET_FILE: secret }), ['eid', 'from a file'])
})

test('a section that is not asked for needs no variables', (t) => {
  const path = files(t, { 'robot.yaml': 'cloud: { device_id: "${DEVICE_ID}" }\nbus: { prefix: dog }' })
  assert.equal(parseSections(readConfigFile(path, {}), { bus: BusSection }).bus.prefix, 'dog')
})

test('unknown keys are refused with their path', (t) => {
  const path = files(t, { 'robot.yaml': 'webrtc: { video: { widht: 640 } }' })
  assert.throws(
    () => parseSections(readConfigFile(path, {}), { webrtc: WebrtcSection }),
    (err) =>
      err instanceof ConfigError &&
      /robot\.yaml:1:20: webrtc\.video\.widht: unknown key; did you mean width\?/.test(err.message),
  )
})

test('an unknown section is refused, and so is a file that is no YAML or not there', (t) => {
  const refused = (text: string, pattern: RegExp) =>
    assert.throws(
      () => parseSections(readConfigFile(files(t, { 'robot.yaml': text }), {}), {}),
      (err) => err instanceof ConfigError && pattern.test(err.message),
    )
  refused('visoin: {}', /robot\.yaml:1:1: visoin: unknown section; did you mean vision\?/)
  refused('a: [', /robot\.yaml:1:5: /)
  refused('- 1', /expected sections/)
  assert.throws(() => readConfigFile('/nowhere/robot.yaml', {}), /file not found \(ENOENT\)/)
})

test('numbers may come from the environment, and both bitrate keys are understood', (t) => {
  const path = files(t, {
    'robot.yaml':
      'webrtc: { video: { width: "${W}", bitrate: 900000 }, ice: { port_range: [5000, "${TO}"] } }',
  })
  const { webrtc } = parseSections(readConfigFile(path, { W: '640', TO: '5100' }), { webrtc: WebrtcSection })
  assert.equal(webrtc.video.width, 640)
  assert.equal(webrtc.video.bitrate_kbps, 900)
  assert.deepEqual(webrtc.ice.port_range, [5000, 5100])
  assert.equal(webrtc.max_connections, 2)
})

test('an empty variable of the environment does not hide that of the .env file', (t) => {
  const path = files(t, {
    'robot.yaml': 'cloud: { device_id: "${DEVICE_ID}" }',
    '.env': 'DEVICE_ID=of-the-file\n',
  })
  const idOf = (env: Record<string, string>) =>
    parseSections(readConfigFile(path, env), { cloud: Cloud }).cloud.device_id
  assert.equal(idOf({ DEVICE_ID: '' }), 'of-the-file')
  assert.equal(idOf({ DEVICE_ID: 'of-env' }), 'of-env')
})

test('NAME_FILE names a file that holds the value; a variable that is set wins over it', (t) => {
  const path = files(t, { 'robot.yaml': 'cloud: { device_id: "${ID}" }', id: 'of-a-file\n' })
  const ID_FILE = join(dirname(path), 'id')
  const idOf = (env: Record<string, string>) =>
    parseSections(readConfigFile(path, env), { cloud: Cloud }).cloud.device_id
  assert.equal(idOf({ ID_FILE }), 'of-a-file')
  assert.equal(idOf({ ID_FILE, ID: '' }), 'of-a-file')
  assert.equal(idOf({ ID_FILE, ID: 'of-env' }), 'of-env')
  assert.throws(
    () => idOf({ ID_FILE: '/nowhere/id' }),
    (err) =>
      err instanceof ConfigError && /ID_FILE: \/nowhere\/id cannot be read \(ENOENT\)/.test(err.message),
  )
})

test('a key without a value is no 0, and a text is no number', (t) => {
  for (const nothing of ['', '""', '[]', 'true', 'two', '.nan']) {
    const path = files(t, { 'robot.yaml': `webrtc: { max_connections: ${nothing} }` })
    assert.throws(
      () => parseSections(readConfigFile(path, {}), { webrtc: WebrtcSection }),
      (err) => err instanceof ConfigError && /max_connections: expected a number, found /.test(err.message),
      nothing,
    )
  }
})

test('the webrtc section of the earlier robot is understood', (t) => {
  const path = files(t, {
    'robot.yaml': `webrtc:
  enabled: true
  stun_servers: ["stun:stun.l.google.com:19302", "stun:stun1.l.google.com:19302"]
  turn_servers: [{ urls: "turn:turn.example:3478", username: u, credential: "$TURN" }]
  video: { fps: 15, bitrate: 1500000, codec: "vp8", enable_ai_overlay: false }
  audio: { enabled: false }
  max_connections: 2`,
  })
  const { webrtc } = parseSections(readConfigFile(path, {}), { webrtc: WebrtcSection })
  const { bitrate_kbps, codec, enable_ai_overlay } = webrtc.video
  assert.deepEqual([bitrate_kbps, codec, enable_ai_overlay], [1500, 'VP8', false])
  assert.equal(webrtc.turn_servers[0]?.credential, '$TURN')
  assert.equal(webrtc.audio.enabled, false)
})

test('an unknown key is refused in each section and each object in it', (t) => {
  const bad: [section: string, yaml: string, at: string][] = [
    ['webrtc', 'webrtc: { planted: 1 }', 'webrtc'],
    ['webrtc', 'webrtc: { ice: { planted: 1 } }', 'webrtc.ice'],
    ['webrtc', 'webrtc: { audio: { planted: 1 } }', 'webrtc.audio'],
    [
      'webrtc',
      'webrtc: { turn_servers: [{ urls: "turn:a", username: u, credential: c, planted: 1 }] }',
      'webrtc.turn_servers[0]',
    ],
    ['bus', 'bus: { planted: 1 }', 'bus'],
    ['metrics', 'metrics: { planted: 1 }', 'metrics'],
  ]
  const schemas = { webrtc: WebrtcSection, bus: BusSection, metrics: MetricsSection }
  for (const [section, yaml, at] of bad) {
    const file = readConfigFile(files(t, { 'robot.yaml': yaml }), {})
    const schema = schemas[section as keyof typeof schemas]
    assert.throws(
      () => parseSections(file, { [section]: schema }),
      (err) => err instanceof ConfigError && err.message.includes(`${at}.planted: unknown key; known here: `),
      yaml,
    )
  }
})

test('a bitrate below 100 000 is in kbit/s, from there on in bit/s', (t) => {
  for (const [bitrate, expected] of [
    [1_500, 1_500],
    [20_000, 20_000],
    [100_000, 100],
    [1_500_000, 1_500],
  ]) {
    const file = readConfigFile(files(t, { 'robot.yaml': `webrtc: { video: { bitrate: ${bitrate} } }` }), {})
    assert.equal(parseSections(file, { webrtc: WebrtcSection }).webrtc.video.bitrate_kbps, expected)
  }
  const file = readConfigFile(files(t, { 'robot.yaml': 'webrtc: { video: { bitrate: 99999 } }' }), {})
  assert.throws(() => parseSections(file, { webrtc: WebrtcSection }), /webrtc\.video\.bitrate: must be 100/)
})

test('a secret that was written without the blank after the colon is not in the error', (t) => {
  for (const yaml of [
    'cloud: { device_id: x, device_secret:planted-secret }',
    'cloud:\n  device_id: x\n  ? device_secret=planted-secret\n',
    'cloud:\n  device_id: x\n  device_secret:planted-secret\n',
    'cloud: [planted-secret\n',
    'cloud: &a planted-secret\nbus: *planted-secret\n',
  ]) {
    const path = files(t, { 'robot.yaml': yaml })
    assert.throws(
      () => parseSections(readConfigFile(path, {}), { cloud: Cloud }),
      (err) => err instanceof ConfigError && !/planted-secret/.test(err.message),
      yaml,
    )
  }
})

test('--config names the file, then WIMZ_CONFIG, then the default', (t) => {
  const { argv } = process
  t.after(() => {
    process.argv = argv
    delete process.env.WIMZ_CONFIG
  })
  assert.equal(configPath('configs/robot.yaml'), resolve('configs/robot.yaml'))
  process.env.WIMZ_CONFIG = '/etc/a.yaml'
  assert.equal(configPath('configs/robot.yaml'), '/etc/a.yaml')
  process.argv = [...argv, '--config', '/etc/b.yaml']
  assert.equal(configPath('configs/robot.yaml'), '/etc/b.yaml')
})

test('a section that is no object is an error, also where its keys may come from the environment', (t) => {
  for (const yaml of ['cloud: 5', 'cloud: [a]', 'cloud: text']) {
    const file = readConfigFile(files(t, { 'robot.yaml': yaml }), { DEVICE_ID: 'x', DEVICE_SECRET: 'y' })
    assert.throws(
      () => parseSections(file, { cloud: CloudIdentity }, ['cloud.device_id', 'cloud.device_secret']),
      (err) => err instanceof ConfigError && /cloud: expected a section with keys: /.test(err.message),
      yaml,
    )
  }
})

test('YAML with an error is rejected even where it could be read on', (t) => {
  const path = files(t, { 'robot.yaml': 'cloud: { device_id: a }\ncloud: { device_id: b }\n' })
  assert.throws(
    () => readConfigFile(path, {}),
    /robot\.yaml:2:1: this key is in the section twice; delete one/,
  )
})

test('a section that is left out has its default, also where it is no object', (t) => {
  const file = readConfigFile(files(t, { 'robot.yaml': '' }), {})
  const names = ['cloud.device_id']
  assert.equal(parseSections(file, { data_dir: DataDir }, names).data_dir, './data')
})

test('numbers of the webrtc section have limits', (t) => {
  const accepts = (video: string) => {
    const file = readConfigFile(files(t, { 'robot.yaml': `webrtc: ${video}` }), {})
    try {
      return Boolean(parseSections(file, { webrtc: WebrtcSection }))
    } catch {
      return false
    }
  }
  for (const [key, least, most] of [
    ['width', 160, 3_840],
    ['height', 120, 2_160],
    ['fps', 1, 60],
    ['bitrate_kbps', 100, 20_000],
    ['bitrate', 100, 20_000_000],
  ] as const) {
    const found = [least - 1, least, most, most + 1].map((value) =>
      accepts(`{ video: { ${key}: ${value} } }`),
    )
    assert.deepEqual(found, [false, true, true, false], key)
  }
  assert.equal(accepts('{ video: { bitrate: 20_001 } }'), false)
  assert.deepEqual(
    [0, 1, 64, 65].map((value) => accepts(`{ max_connections: ${value} }`)),
    [false, true, true, false],
  )
  for (const [range, expected] of [
    ['[1, 65535]', true],
    ['[0, 9]', false],
    ['[9, 65536]', false],
    ['[9, 9]', false],
    ['null', true],
  ] as const)
    assert.equal(accepts(`{ ice: { port_range: ${range} } }`), expected, range)
})

test('keys of the bus section that do not go together are rejected', (t) => {
  for (const [bus, expected] of [
    ['{ username: a, password: b }', true],
    ['{ username: a }', true],
    ['{ password: b }', false],
    ['{ username: a, own_users: true }', false],
    ['{ own_users: true }', true],
    ['{ url: "mqtts://h", cert: c, key: k }', true],
    ['{ url: "mqtts://h", cert: c }', false],
    ['{ url: "wss://h", key: k }', false],
    ['{ url: "mqtts://h", ca: c }', true],
    ['{ url: "mqtt://h", ca: c }', false],
    ['{ url: "ws://h", cert: c, key: k }', false],
    ['{ url: "http://h" }', false],
    ['{ prefix: "a/b" }', false],
    ['{ prefix: "$x" }', false],
  ] as const) {
    const file = readConfigFile(files(t, { 'robot.yaml': `bus: ${bus}` }), {})
    const parse = () => parseSections(file, { bus: BusSection })
    if (expected) parse()
    else assert.throws(parse, ConfigError, bus)
  }
})
