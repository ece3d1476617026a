import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { PROJECT_ROOT } from '#lib/version.ts'
import { without } from '#test/helpers/tools.ts'

const execute = promisify(execFile)

test('compose.yaml is accepted, and names only scripts that exist', {
  skip: without('docker-compose'),
}, async () => {
  const args = ['-f', join(PROJECT_ROOT, 'compose.yaml'), 'config']
  const { stdout } = await execute('docker-compose', args)
  const scripts = [...stdout.matchAll(/- (\S+\.ts)$/gm)].map(([, script]) => script ?? '')
  assert.equal(scripts.length, 12) // six services, six health checks
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
  assert.deepEqual([doctor.devices, doctor.group_add], [vision.devices, vision.group_add])
  assert.deepEqual(doctor.environment, bridge.environment)
  for (const key of [
    'read_only',
    'cap_drop',
    'security_opt',
    'tmpfs',
    'pids_limit',
    'volumes',
    'network_mode',
  ]) {
    assert.ok(doctor[key])
    assert.deepEqual(doctor[key], bridge[key], key)
  }
})

test('with compose.rpicam.yaml the image is built with the camera of the Raspberry Pi', {
  skip: without('docker-compose'),
}, async () => {
  const files = ['compose.yaml', 'compose.rpicam.yaml'].flatMap((name) => ['-f', join(PROJECT_ROOT, name)])
  const { stdout } = await execute('docker-compose', [...files, 'config'])
  assert.match(stdout, /CAMERA: rpicam/)
  assert.equal(stdout.match(/\/run\/udev/g)?.length, 4) // source and target, of vision and of the doctor
})

test('with compose.secrets.yaml the secret comes out of a file, and stands in no environment', {
  skip: without('docker-compose'),
}, async () => {
  const files = ['compose.yaml', 'compose.secrets.yaml'].flatMap((name) => ['-f', join(PROJECT_ROOT, name)])
  const env = { ...process.env, DEVICE_SECRET: 'planted-secret' }
  const { stdout } = await execute('docker-compose', [...files, 'config'], { env })
  // relay-bridge and the doctor
  assert.equal(stdout.match(/DEVICE_SECRET_FILE: \/run\/secrets\/device_secret/g)?.length, 2)
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
