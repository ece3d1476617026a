import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseEnv, promisify } from 'node:util'
import { parse } from 'yaml'
import { parseSections, readConfigFile, type Sections } from '#lib/config.ts'
import type { Service } from '#lib/process/service.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { without } from '#test/helpers/tools.ts'

const execute = promisify(execFile)

interface ComposeService {
  command?: string[]
  environment?: Record<string, string>
}

test('compose.yaml is accepted, and names only scripts that exist', {
  skip: without('docker-compose'),
}, async () => {
  const args = ['-f', join(PROJECT_ROOT, 'compose.yaml'), 'config']
  const { stdout } = await execute('docker-compose', args)
  const scripts = [...stdout.matchAll(/- (\S+\.ts)$/gm)].map(([, script]) => script ?? '')
  assert.equal(scripts.length, 10) // nine services, and the one that prepares the settings
  for (const script of scripts) assert.ok(existsSync(join(PROJECT_ROOT, script)), script)
})

test('the doctor has room for a model, the camera, and no more rights than the services', () => {
  const file = readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8')
  const { services } = parse(file, { merge: true })
  const { doctor, vision, 'relay-bridge': bridge } = services
  assert.deepEqual(doctor.command, ['doctor'])
  assert.deepEqual(doctor.profiles, ['doctor'])
  assert.equal(doctor.restart, 'no')
  assert.deepEqual([doctor.mem_limit, doctor.memswap_limit], ['512m', '512m'])
  assert.deepEqual(
    [doctor.device_cgroup_rules, doctor.group_add],
    [vision.device_cgroup_rules, vision.group_add],
  )
  assert.deepEqual(doctor.environment, bridge.environment)
  for (const key of ['read_only', 'cap_drop', 'security_opt', 'tmpfs', 'pids_limit', 'network_mode']) {
    assert.ok(doctor[key])
    assert.deepEqual(doctor[key], bridge[key], key)
  }
})

test('the profile rtsp runs go2rtc with the config of this project, and the address and password of .env', {
  skip: without('docker-compose'),
}, async () => {
  const env = {
    ...process.env,
    ...{
      COMPOSE_PROFILES: 'local-relay,rtsp',
      PAGE_TOKEN: 'page',
      RTSP_LISTEN: ':8554',
      RTSP_PASSWORD: 'rtsp',
    },
  }
  const { stdout } = await execute('docker-compose', ['-f', join(PROJECT_ROOT, 'compose.yaml'), 'config'], {
    env,
  })
  const { rtsp, 'local-relay': relay } = parse(stdout).services
  assert.ok(relay)
  assert.deepEqual(rtsp.command, ['go2rtc', '-config', '/etc/go2rtc.yaml'])
  const { PAGE_TOKEN, RTSP_LISTEN, RTSP_USER, RTSP_PASSWORD } = rtsp.environment
  assert.deepEqual([PAGE_TOKEN, RTSP_LISTEN, RTSP_USER, RTSP_PASSWORD], ['page', ':8554', 'robot', 'rtsp'])
  const [volume] = rtsp.volumes
  const [source = ''] = typeof volume === 'string' ? volume.split(':') : [volume.source]
  const streams = parse(readFileSync(source, 'utf8')).streams.robot
  assert.match(streams, /^webrtc:http:\/\/127\.0\.0\.1:8080\/whep\?token=\$\{PAGE_TOKEN:\}$/)
  // each variable that the config reads is passed
  for (const [, name] of readFileSync(source, 'utf8').matchAll(/\$\{(\w+):/g)) {
    if (name !== 'NAME') assert.ok(name && name in rtsp.environment, name)
  }
})

test('with compose.rpicam.yaml the image is built with the camera of the Raspberry Pi', {
  skip: without('docker-compose'),
}, async () => {
  const files = ['compose.yaml', 'compose.rpicam.yaml'].flatMap((name) => ['-f', join(PROJECT_ROOT, name)])
  const { stdout } = await execute('docker-compose', [...files, 'config'])
  assert.match(stdout, /CAMERA: rpicam/)
  assert.equal(stdout.match(/source: \/dev$|- \/dev:\/dev/gm)?.length, 3) // audio, too
  assert.equal(stdout.match(/\/run\/udev/g)?.length, 4) // source and target, of vision and of the doctor
})

test('with compose.secrets.yaml the secret comes out of a file, and stands in no environment', {
  skip: without('docker-compose'),
}, async () => {
  const files = ['compose.yaml', 'compose.secrets.yaml'].flatMap((name) => ['-f', join(PROJECT_ROOT, name)])
  const env = { ...process.env, DEVICE_SECRET: 'planted-secret' }
  const { stdout } = await execute('docker-compose', [...files, 'config'], { env })
  // relay-bridge, the local relay and the doctor
  assert.equal(stdout.match(/DEVICE_SECRET_FILE: \/run\/secrets\/device_secret/g)?.length, 3)
  assert.match(stdout, /source: device_secret/)
  assert.ok(!stdout.includes('planted-secret'))
})

test('what the manual runs in a container is there: the service, and Node with a file of the image', () => {
  const { services } = parse(readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8'), { merge: true })
  const pages = [
    'README.md',
    ...readdirSync(join(PROJECT_ROOT, 'docs')).filter((name) => name.endsWith('.md')),
  ]
  const text = pages
    .map((name) => readFileSync(join(PROJECT_ROOT, name === 'README.md' ? name : `docs/${name}`), 'utf8'))
    .join('\n')
  const told = [...text.matchAll(/docker compose (exec|run --rm) (\S+?)( [^`\n]*)?[`\n]/g)]
  assert.ok(told.length >= 3)
  for (const [line, how, service = '', command] of told) {
    assert.ok(service in services, line)
    const [program, script] = (command ?? ` ${services[service].command[0]}`).trim().split(' ')
    if (how === 'exec' && program === 'cat') continue // of Debian itself
    if (how === 'exec') assert.ok(program === 'node' && existsSync(join(PROJECT_ROOT, script ?? '')), line)
    else assert.ok(existsSync(join(PROJECT_ROOT, program ?? '')), line) // after the image's entrypoint, node
  }
  assert.doesNotMatch(text, /npx node/)
})

test('the image is built here, or the published one that .env names', {
  skip: without('docker-compose'),
}, async () => {
  const args = ['-f', join(PROJECT_ROOT, 'compose.yaml'), 'config']
  const images = async (env: Record<string, string>) => {
    const { stdout } = await execute('docker-compose', args, { env: { ...process.env, ...env } })
    const found = Array.from(stdout.matchAll(/^ +image: (\S+)$/gm), ([, image = '']) => image)
    return new Set(found.filter((image) => !image.startsWith('alexxit/go2rtc:')))
  }
  assert.deepEqual(await images({}), new Set(['wimz-robot:latest']))
  const published = 'ghcr.io/owner/robot:0.2'
  assert.deepEqual(await images({ WIMZ_IMAGE: published }), new Set([published]))
})

test('image.yml builds both platforms with provenance and SBOM, and asks before it publishes', () => {
  const { jobs, on } = parse(readFileSync(join(PROJECT_ROOT, '.github/workflows/image.yml'), 'utf8'))
  const { if: condition, strategy, steps } = jobs.image
  assert.deepEqual(on.push, { tags: ['v*'] })
  assert.equal(condition, "vars.PUBLISH_IMAGE == 'true'")
  const dockerfile = readFileSync(join(PROJECT_ROOT, 'Dockerfile'), 'utf8')
  for (const { camera, platforms } of strategy.matrix.include) {
    assert.ok(camera === /^ARG CAMERA=(.*)$/m.exec(dockerfile)?.[1] || dockerfile.includes(`= ${camera} ]`))
    assert.equal(platforms, camera === 'usb' ? 'linux/amd64,linux/arm64' : 'linux/arm64')
  }
  const build = steps.find(({ uses }: { uses?: string }) => uses?.startsWith('docker/build-push-action')).with
  assert.deepEqual([build.provenance, build.sbom, build.push], ['mode=max', true, true])
})

test('a camera that is not there yet keeps no container from starting', () => {
  const { services } = parse(readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8'), { merge: true })
  for (const { devices, device_cgroup_rules, volumes } of [services.vision, services.doctor]) {
    assert.equal(devices, undefined)
    assert.deepEqual(device_cgroup_rules, ['c 81:* rw'])
    assert.ok(volumes.includes('/dev:/dev'))
  }
})

test('the overlay has the time zone of .env', { skip: without('docker-compose') }, async () => {
  const args = ['-f', join(PROJECT_ROOT, 'compose.yaml'), 'config']
  const env = { ...process.env, TZ: 'Europe/Berlin' }
  const { services } = parse((await execute('docker-compose', args, { env })).stdout)
  assert.equal(services.vision.environment.TZ, 'Europe/Berlin')
  assert.ok('TZ' in parseEnv(readFileSync(join(PROJECT_ROOT, '.env.example'), 'utf8')))
})

test('services stop before relay-bridge, and relay-bridge before the broker', () => {
  const { services } = parse(readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8'), { merge: true })
  for (const name of ['vision', 'webrtc', 'audio', 'recorder', 'metrics', 'homeassistant']) {
    assert.deepEqual(Object.keys(services[name].depends_on), ['broker', 'relay-bridge'], name)
    const unit = readFileSync(join(PROJECT_ROOT, `deploy/systemd/wimz-${name}.service`), 'utf8')
    assert.match(unit, /^After=.*\bwimz-relay-bridge\.service/m, name)
  }
  assert.deepEqual(Object.keys(services['relay-bridge'].depends_on), ['broker'])
})

test('only services that need the secret get it', () => {
  const { services } = parse(readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8'), { merge: true })
  const holders = Object.keys(services).filter(
    (name) => services[name].environment?.DEVICE_SECRET !== undefined,
  )
  assert.deepEqual(holders, ['relay-bridge', 'local-relay', 'doctor'])
})

test('each service reads its config with the variables that its container gets', async () => {
  const { services } = parse(readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8'), { merge: true })
  const values: Record<string, string> = { DEVICE_ID: 'wimz_robot_01', DEVICE_SECRET: 'x'.repeat(32) }
  let checked = 0
  for (const { command = [], environment = {} } of Object.values<ComposeService>(services)) {
    const [folder] = /^(?:services\/.+|broker|dev\/relay)(?=\/main\.ts$)/.exec(command[0] ?? '') ?? []
    if (!folder) continue
    const exported: object = await import(join(PROJECT_ROOT, folder, 'index.ts'))
    const unit = Object.values(exported).find((one) => one?.config && one.start) as Service<Sections>
    const given = Object.entries(values).filter(([name]) => name in environment)
    const file = readConfigFile(join(PROJECT_ROOT, 'configs/robot.yaml'), Object.fromEntries(given))
    assert.doesNotThrow(() => parseSections(file, unit.config, unit.optionalEnv), folder)
    checked++
  }
  assert.equal(checked, 9)
})

test('the manual has the same commands for every variant, and sends no signal to a container', () => {
  const names = readdirSync(join(PROJECT_ROOT, 'docs')).filter((name) => name.endsWith('.md'))
  for (const name of ['README.md', 'configs/robot.yaml', ...names.map((page) => `docs/${page}`)]) {
    const text = readFileSync(join(PROJECT_ROOT, name), 'utf8')
    assert.doesNotMatch(text, /docker compose (-f|--file|--profile)/, name)
    assert.doesNotMatch(text, /docker compose kill -|docker kill/, name)
  }
  const example = parseEnv(readFileSync(join(PROJECT_ROOT, '.env.example'), 'utf8'))
  const files = ['DEVICE_ID', 'DEVICE_SECRET', 'COMPOSE_FILE', 'COMPOSE_PROFILES']
  for (const key of files) assert.ok(key in example, key)
})
