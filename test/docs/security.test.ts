import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { PROJECT_ROOT } from '#lib/version.ts'
import { ALL_SECTIONS } from '../../config-schema.ts'

const read = (path: string) => readFileSync(join(PROJECT_ROOT, path), 'utf8')
const PAGE = read('docs/security.md')

test('docs/security.md names tests that exist, in each row one unless something remains', () => {
  const named = [...PAGE.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path)
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter((path) => !existsSync(join(PROJECT_ROOT, path))),
    [],
  )
  const rows = [...section('Threats').matchAll(/^\| (.*) \|$/gm)]
    .slice(2)
    .map(([, row = '']) => row.split(' | '))
  assert.ok(rows.length > 12)
  for (const [threat, , tests = '', remains = ''] of rows) assert.ok(tests.trim() || remains.trim(), threat)
})

test('each row of the other tables of docs/security.md names a test, or a dash', () => {
  for (const heading of ['Who can reach what', 'What is encrypted', 'Secrets, and where they are']) {
    const rows = [...section(heading).matchAll(/^\| (?!-)(.* \|) (.*) \|$/gm)].filter(
      ([, , last]) => last !== 'tested in',
    )
    assert.ok(rows.length >= 5, heading)
    for (const [row, , last = ''] of rows) assert.match(last, /^–$|`test\//, row)
  }
})

test('docs/security.md has the ports and addresses of the config as it is', () => {
  const { broker, local_relay, metrics, webrtc } = z.strictObject(ALL_SECTIONS).parse({})
  const ports = section('Who can reach what')
  assert.ok(ports.includes(`| ${broker.port} TCP, \`broker.port\` | broker, MQTT | \`${broker.host}\``))
  assert.ok(ports.includes(`| ${local_relay.port} TCP, \`local_relay.port\`, off |`) && !local_relay.enabled)
  assert.deepEqual(
    [broker.ws_port, broker.listeners, metrics.port, webrtc.ice.port_range],
    [null, [], null, null],
  )
  assert.match(read('services/metrics/index.ts'), /^const HOST = '127\.0\.0\.1'$/m)
})

test('docs/security.md has every user of configs/broker.yaml', () => {
  const { users } = parse(read('configs/broker.yaml')) as { users: Record<string, unknown> }
  const table = section('Users of the bus')
  for (const name of Object.keys(users)) assert.ok(table.includes(`\`${name}\``), name)
})

test('every package that is installed on a robot is pinned by version and SHA-512, and none runs a script', () => {
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
  const { dependencies, devDependencies } = JSON.parse(read('package.json'))
  const [, count] = /^- (\d+) direct dependencies,/m.exec(PAGE) ?? []
  assert.equal(Number(count), Object.keys(dependencies).length)
  for (const version of Object.values({ ...dependencies, ...devDependencies }))
    assert.match(String(version), /^\d/)
  const ours = Object.entries(lock.packages).filter(([path, { dev, os, cpu, libc }]) => {
    const fits = (wanted: string[] | undefined, have: string[]) =>
      !wanted || wanted.some((one) => have.includes(one))
    return path !== '' && !dev && fits(os, ['linux']) && fits(cpu, ['x64', 'arm64']) && fits(libc, ['glibc'])
  })
  assert.ok(ours.length > 150)
  const unpinned = ours.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)
  // of musl systems, which their names tell and their entries do not
  assert.deepEqual(
    unpinned.filter((path) => !path.endsWith('-musl')),
    [],
  )
  for (const path of ['Dockerfile', 'deploy/install.sh']) {
    const installs = read(path)
      .split('\n')
      .filter((line) => /^ *(RUN|run) npm /.test(line))
    assert.ok(installs.length > 0 && installs.every((line) => line.includes('--ignore-scripts')), path)
  }
})

interface Locked {
  dev?: boolean
  integrity?: string
  os?: string[]
  cpu?: string[]
  libc?: string[]
}

function section(heading: string): string {
  const [, text = ''] = PAGE.split(`\n## ${heading}\n`)
  return text.split('\n## ')[0] ?? ''
}

test('secrets and data have the permissions that docs/security.md names', () => {
  const install = read('deploy/install.sh')
  assert.match(install, /install -m 600 \/dev\/null "\$CONFIG\/robot\.env"/)
  assert.match(install, /install -d -m 700 -o wimz -g wimz "\$STATE"/)
})

test('the image starts from Debian and gets neither npm nor a compiler', () => {
  const [, debian = ''] = read('Dockerfile').split(/^FROM (?=debian:)/m)
  const commands = debian.replaceAll(/^#.*$/gm, '')
  assert.match(commands, /apt-get install/)
  assert.doesNotMatch(commands, /\b(npm|gcc|g\+\+|build-essential)\b/)
})

test('docs/security.md names each package with machine code that runs on a robot', () => {
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
  const binary = /\.(node|so)(\.[\d.]+)?$/
  const found = Object.keys(lock.packages)
    .filter((path) => path !== '' && !lock.packages[path]?.dev && existsSync(join(PROJECT_ROOT, path)))
    .filter((path) =>
      readdirSync(join(PROJECT_ROOT, path), { recursive: true }).some((file) => binary.test(String(file))),
    )
    // @seydx/node-av-linux-x64
    .map((path) => path.replace(/^node_modules\//, '').replace(/(-linux)?-(x64|arm64)(-gnu)?$/, ''))
  const named = /^- Two packages contain machine code: (.*?)\./ms.exec(PAGE)?.[1] ?? ''
  assert.deepEqual(
    new Set(found.map((name) => name.replace('@seydx/', ''))),
    new Set(['node-av', 'onnxruntime-node']),
  )
  for (const name of found) assert.ok(named.includes(`\`${name.replace('@seydx/', '')}\``), name)
})
