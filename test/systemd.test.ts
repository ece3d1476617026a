import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { without } from '#test/helpers/tools.ts'

const execute = promisify(execFile)
const FOLDER = join(PROJECT_ROOT, 'deploy/systemd')
/** Goes back to the version before at boot; it changes the system, so it cannot be as confined as the services. */
const RESUME = 'resume-wimz.service'
const services = readdirSync(FOLDER).filter((name) => name.endsWith('.service') && name !== RESUME)
// the colon at its end keeps systemd's own units
const env = { ...process.env, SYSTEMD_UNIT_PATH: `${FOLDER}:` }
const skip = without('systemd-analyze')

test('systemd understands every line of our units', { skip }, async () => {
  const units = [...services, RESUME, 'wimz.target'].map((name) => join(FOLDER, name))
  const { stderr } = await execute('systemd-analyze', ['verify', ...units], { env }).catch((err) => err)
  // the program that install.sh brings is not here
  const complaints = String(stderr)
    .split('\n')
    .filter((line) => line !== '' && !/(runtime\/bin\/node|bin\/wimz) is not executable/.test(line))
  assert.deepEqual(complaints, [])
})

for (const name of services) {
  test(`${name} is exposed no more than 2.0 of 10`, { skip }, async () => {
    const args = ['security', '--offline=true', '--threshold=20', join(FOLDER, name)]
    const { stdout } = await execute('systemd-analyze', args, { env })
    assert.match(stdout, /Overall exposure level for wimz-\S+: [01]\.\d/)
  })
}

test('each of the eight services has a unit, and its script exists', () => {
  const scripts = services.map((name) => {
    const [, script = ''] = /^ExecStart=\S+ (\S+)$/m.exec(readFileSync(join(FOLDER, name), 'utf8')) ?? []
    return script
  })
  assert.deepEqual(scripts.sort(), [
    'broker/main.ts',
    'services/audio/main.ts',
    'services/home-assistant/main.ts',
    'services/metrics/main.ts',
    'services/recorder/main.ts',
    'services/relay-bridge/main.ts',
    'services/vision/main.ts',
    'services/webrtc/main.ts',
  ])
  for (const script of scripts) assert.ok(existsSync(join(PROJECT_ROOT, script)), script)
})

test('the settings of wimz-.service.d hold for the services and for nothing else', () => {
  assert.ok(services.every((name) => name.startsWith('wimz-')))
  assert.ok(!RESUME.startsWith('wimz-')) // it runs as root, once
})

test('a camera may load its driver later: systemd skips the name of a driver that is not loaded', () => {
  const unit = readFileSync(join(FOLDER, 'wimz-vision.service'), 'utf8')
  assert.match(unit, /^DeviceAllow=char-81 rw$/m)
  assert.match(unit, /^Wants=modprobe@videodev\.service$/m)
})

test('no start waits for services that may never start, and a stop waits for all of them', async () => {
  const { stdout } = await execute('sh', [join(PROJECT_ROOT, 'deploy/install.sh'), '--dry-run'])
  assert.match(stdout, /^\+ systemctl start --no-block wimz\.target$/m)
  const [, stopped = ''] = /^\+ systemctl stop (.*)$/m.exec(stdout) ?? []
  const names = services.map((name) => name.replace('.service', ''))
  assert.deepEqual(stopped.split(' ').sort(), ['wimz.target', ...names].sort())
})

test('install.sh --dry-run names every unit and each step, and needs no root', async () => {
  const { stdout } = await execute('sh', [join(PROJECT_ROOT, 'deploy/install.sh'), '--dry-run'])
  assert.match(stdout, /^\+ npm install .* node-linux-(x64|arm64)@24\.\d+\.\d+$/m)
  assert.match(stdout, /^\+ npm ci --prefix \/opt\/wimz-releases\/partial --omit=dev --ignore-scripts$/m)
  for (const name of services) assert.ok(stdout.includes(name.replace('.service', '')), name)
})

test('install.sh takes along all that the image has', () => {
  const read = (name: string) => readFileSync(join(PROJECT_ROOT, name), 'utf8')
  const [, parts = ''] = /^PARTS='([^']*)'/m.exec(read('deploy/install.sh')) ?? []
  const copied = [...read('Dockerfile').matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names = '']) =>
    names.split(' '),
  )
  assert.ok(copied.length > 10)
  assert.deepEqual(
    copied.filter((name) => !parts.split(/\s+/).includes(name)),
    [],
  )
})
