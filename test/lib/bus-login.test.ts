import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { busLogin } from '#lib/bus-login.ts'
import { BusSection } from '#lib/config-schema.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const execute = promisify(execFile)
const broker = { enabled: true, host: '127.0.0.1' }

test('a service finds its own password at our broker, the same each time', (t) => {
  const data_dir = temporaryFolder(t)
  const login = busLogin('vision', BusSection.parse({}), { broker, data_dir })
  assert.equal(login.username, 'vision')
  assert.match(login.password ?? '', /^[\w-]{32}$/)
  assert.deepEqual(busLogin('vision', BusSection.parse({}), { broker, data_dir }), login)
  assert.notEqual(busLogin('webrtc', BusSection.parse({}), { broker, data_dir }).password, login.password)
})

test('bus.username takes precedence, and no password is generated', (t) => {
  const data_dir = temporaryFolder(t)
  const bus = BusSection.parse({ username: 'robot', password: 'own' })
  assert.deepEqual(busLogin('vision', bus, { broker, data_dir }), { username: 'robot', password: 'own' })
  assert.deepEqual(readdirSync(data_dir), [])
})

test('an external broker gets no generated password', (t) => {
  const data_dir = temporaryFolder(t)
  const bus = BusSection.parse({ url: 'mqtts://broker.example' })
  assert.deepEqual(busLogin('vision', bus, { broker, data_dir }), {})
  const disabled = { broker: { ...broker, enabled: false }, data_dir }
  assert.deepEqual(busLogin('vision', BusSection.parse({}), disabled), {})
  const here = { broker: { enabled: true, host: '192.168.1.5' }, data_dir }
  assert.equal(busLogin('vision', BusSection.parse({ url: 'mqtt://192.168.1.5' }), here).username, 'vision')
})

test('the first process generates the password, all others read the same', async (t) => {
  const data_dir = temporaryFolder(t)
  const script = `import { ensurePassword } from '#lib/password-file.ts'
    process.stdout.write(ensurePassword(process.argv[1], 'vision'))`
  const told = await Promise.all(
    Array.from({ length: 6 }, () =>
      execute(process.execPath, ['--input-type=module', '-e', script, data_dir]),
    ),
  )
  assert.equal(new Set(told.map(({ stdout }) => stdout)).size, 1)
  const folder = join(data_dir, 'broker')
  assert.deepEqual(readdirSync(folder), ['vision.password'])
  assert.equal(statSync(join(folder, 'vision.password')).mode & 0o777, 0o600)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
})

test('a folder that is not writable is an error with advice', (t) => {
  const data_dir = join(temporaryFolder(t), 'file')
  writeFileSync(data_dir, '')
  assert.throws(
    () => busLogin('vision', BusSection.parse({}), { broker, data_dir }),
    /make data_dir .* writable/,
  )
})
