import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isPasswordHash } from '#broker/auth/password-hash.ts'
import { projectAt, runScript, shellBlocks } from '#test/helpers/document.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

const skip = without('mosquitto', 'openssl')

test('the commands of docs/other-brokers.md work', { skip }, async (t) => {
  const folder = temporaryFolder(t)
  projectAt(folder)
  writeFileSync(join(folder, 'configs/robot.yaml'), `data_dir: ${folder}/data\n`)
  const [setUp, hash, certificate, ...more] = shellBlocks(
    'docs/other-brokers.md',
    'test/broker/mosquitto/setup.test.ts',
  )
  assert.ok(setUp && hash && certificate && more.length === 0)
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }

  const made = await runScript(setUp.script, { cwd: folder, env })
  assert.equal(made.code, 0, made.output)
  const passwords = readFileSync(join(folder, 'wimz.passwd'), 'utf8')
  for (const user of ['relay-bridge', 'webrtc', 'vision']) {
    const generated = readFileSync(join(folder, `data/broker/${user}.password`), 'utf8').trim()
    assert.match(passwords, new RegExp(`^${user}:\\$7\\$`, 'm'))
    assert.ok(!passwords.includes(generated))
  }
  assert.equal(statSync(join(folder, 'wimz.passwd')).mode & 0o077, 0)
  const shipped = readFileSync('configs/mosquitto.acl', 'utf8')
  assert.equal(readFileSync(join(folder, 'wimz.acl'), 'utf8'), shipped)

  const hashed = await runScript(hash.script, { cwd: folder, input: 'site-password\n' })
  assert.equal(hashed.code, 0, hashed.output)
  assert.ok(isPasswordHash(/^password: "(.*)"$/m.exec(hashed.output)?.[1] ?? ''), hashed.output)

  const signed = await runScript(certificate.script, { cwd: folder })
  assert.equal(signed.code, 0, signed.output)
  const { subject, subjectAltName } = new X509Certificate(readFileSync(join(folder, 'configs/robot.pem')))
  assert.deepEqual([subject, subjectAltName], ['CN=robot.local', 'DNS:robot.local'])
})
