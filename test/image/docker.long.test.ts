import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { fakeRelay } from '#test/helpers/fake-relay.ts'
import { without } from '#test/helpers/tools.ts'
import { prepareDockerRobot } from './docker-robot.ts'

/** A device that appears while the robot runs; video4linux has this major number, and a driver has no camera for the minor. */
const DEVICE = '/dev/video-of-no-camera'
const VIDEO_GROUP = '44' // in Debian
const SERVICES = ['broker', 'relay-bridge', 'webrtc', 'vision']
const STOP_NODE = `for p in /proc/[0-9]*; do
  [ "$(readlink $p/exe)" != /usr/local/bin/node ] || kill -STOP "\${p#/proc/}"
done`

interface State {
  RestartCount: number
  State: { FinishedAt: string; ExitCode: number; Health?: { Status: string; Log: { Output: string }[] } }
}

test('docker compose up: settings are created, the camera may be missing, a hung service restarts, viewers get a goodbye', {
  skip: without('debootstrap', 'docker-compose', 'dockerd', 'mosquitto_sub'),
  timeout: 900_000,
}, async (t) => {
  const files = ['compose.secrets.yaml']
  const docker = await prepareDockerRobot(t, { files, source: { type: 'v4l2', device: DEVICE } })
  if (typeof docker === 'string') return t.skip(docker)
  const { engine, robot, port, compose } = docker
  const relay = await fakeRelay(t)
  const env = readFileSync(join(robot, '.env'), 'utf8')
    .replace(/^DEVICE_ID=$/m, 'DEVICE_ID=wimz_robot_05')
    .replace(/^DEVICE_SECRET=$/m, 'DEVICE_SECRET=planted-secret')
  writeFileSync(join(robot, '.env'), `${env}RELAY_URL=${relay.url}\n`)

  const inspect = async (name: string): Promise<State> =>
    JSON.parse(await engine.run('docker', ['inspect', `wimztest_${name}_1`]))[0]
  const isHealthy = async (name: string) => (await inspect(name)).State.Health?.Status === 'healthy'
  const healthy = (name: string) =>
    until(() => isHealthy(name), { deadline: 120_000, every: 500, show: () => name })

  await compose('up', '-d', '--no-build')
  for (const name of SERVICES) await healthy(name)
  assert.match(await compose('logs', 'vision'), /cannot open: No such file or directory/)

  await t.test('the camera appears later, with the rights of the group video', async () => {
    closeAfter(t, () => rmSync(DEVICE, { force: true }))
    await engine.run('mknod', ['--mode=660', DEVICE, 'c', '81', '250'])
    await engine.run('chgrp', [VIDEO_GROUP, DEVICE])
    const state = ['-h', '127.0.0.1', '-p', `${port}`, '-t', 'wimz/vision/state', '-C', '1', '-W', '5']
    // opened, but there is no camera behind it; without the rule of the control group: "Operation not permitted"
    const isOpened = async () => /No such device or address/.test(await engine.run('mosquitto_sub', state))
    await until(isOpened, { deadline: 60_000, every: 1_000 })
  })

  await compose('exec', '-T', 'vision', 'sh', '-c', STOP_NODE)
  const stoppedAt = performance.now()
  const restarted = async () => (await inspect('vision')).RestartCount === 1
  await until(restarted, { deadline: 60_000, every: 500 })
  t.diagnostic(`stopped vision: restarted after ${Math.round((performance.now() - stoppedAt) / 1000)} s`)
  await healthy('vision')

  let device = await relay.robot()
  while (device.socket.readyState !== device.socket.OPEN) device = await relay.robot()
  device.send({ type: 'webrtc_request', session_id: 'viewer', ice_servers: [] })
  await device.next(({ type }) => type === 'webrtc_offer', 30_000)
  await compose('stop')
  const goodbye = device.frames.find(({ type }) => type === 'webrtc_close')
  assert.equal(goodbye?.session_id, 'viewer', 'the goodbye of webrtc reaches the relay')
  const ended = await Promise.all(SERVICES.map(async (name) => ({ name, ...(await inspect(name)).State })))
  for (const { name, ExitCode } of ended) assert.equal(ExitCode, 0, name)
  const at = (name: string) => ended.find((one) => one.name === name)?.FinishedAt ?? ''
  assert.ok(at('vision') <= at('relay-bridge') && at('webrtc') <= at('relay-bridge'), JSON.stringify(ended))
  assert.ok(at('relay-bridge') <= at('broker'), JSON.stringify(ended))
})
