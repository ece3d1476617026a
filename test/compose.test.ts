import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
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

test('with compose.rpicam.yaml the image is built with the camera of the Raspberry Pi', {
  skip: without('docker-compose'),
}, async () => {
  const files = ['compose.yaml', 'compose.rpicam.yaml'].flatMap((name) => ['-f', join(PROJECT_ROOT, name)])
  const { stdout } = await execute('docker-compose', [...files, 'config'])
  assert.match(stdout, /CAMERA: rpicam/)
  assert.match(stdout, /\/run\/udev/)
})

test('with compose.secrets.yaml the secret comes out of a file, and stands in no environment', {
  skip: without('docker-compose'),
}, async () => {
  const files = ['compose.yaml', 'compose.secrets.yaml'].flatMap((name) => ['-f', join(PROJECT_ROOT, name)])
  const env = { ...process.env, DEVICE_SECRET: 'planted-secret' }
  const { stdout } = await execute('docker-compose', [...files, 'config'], { env })
  assert.match(stdout, /DEVICE_SECRET_FILE: \/run\/secrets\/device_secret/)
  assert.match(stdout, /source: device_secret/)
  assert.ok(!stdout.includes('planted-secret'))
})
