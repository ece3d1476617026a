import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'

const ROOM = join(PROJECT_ROOT, 'services/webrtc')

test('only the rooms peer, ice, rtp and werift-patches import werift', () => {
  const files = globSync('{broker,bus,commands,dev,doctor,lib,services}/**/*.ts', { cwd: PROJECT_ROOT })
  const importing = files.filter((file) =>
    readFileSync(join(PROJECT_ROOT, file), 'utf8').includes("from 'werift'"),
  )
  const rooms = new Set(importing.map((file) => file.replace(/\/[^/]+$/, '')))
  assert.deepEqual(
    rooms,
    new Set(['ice', 'peer', 'rtp', 'werift-patches'].map((room) => `services/webrtc/${room}`)),
  )
})

test('every work-around and every test of the table exists, for the version that is installed', () => {
  const page = readFileSync(join(ROOM, 'werift-patches/README.md'), 'utf8')
  const { version } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'node_modules/werift/package.json'), 'utf8'))
  assert.ok(page.includes(`werift ${version} `), 'check each work-around against the new version')
  const rows = page.split('\n').filter((line) => line.startsWith('| `'))
  assert.ok(rows.length >= 10)
  const named = rows.flatMap((row) => [...row.matchAll(/`([\w./-]+\.ts)`/g)].map(([, path = '']) => path))
  for (const path of named) {
    readFileSync(path.startsWith('test/') ? join(PROJECT_ROOT, path) : join(ROOM, 'werift-patches', path))
  }
  const patches = globSync('*.ts', { cwd: join(ROOM, 'werift-patches') })
  const elsewhere = globSync('{ice,peer,rtp,srtp}/*.ts', { cwd: ROOM })
    .filter((file) => readFileSync(join(ROOM, file), 'utf8').includes(`werift ${version}`))
    .map((file) => `../${file}`)
  for (const patch of [...patches, ...elsewhere])
    assert.ok(named.includes(patch), `${patch} is not in the table`)
})
