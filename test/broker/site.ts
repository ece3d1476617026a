import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { hashPassword } from '#broker/auth/password-hash.ts'
import { startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { certify } from '#test/helpers/certify.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { startUsersBroker } from './users-broker.ts'

const PASSWORD = 'site-password'

/**
 * The robot's broker with a TLS listener and a user `site` with these rules, and the Mosquitto of a site with the bridge
 * of configs/mosquitto-bridge.conf, which `edit` may change.
 */
export async function startSite(
  t: TestContext,
  site: object,
  edit = (conf: string) => conf,
  more: Parameters<typeof startUsersBroker>[1] = {},
) {
  const folder = temporaryFolder(t)
  const files = certify(folder, 'robot')
  const listeners = [{ type: 'mqtts', host: '127.0.0.1', port: 0, ...files }]
  const users = { site: { password: await hashPassword(PASSWORD), ...site } }
  const stage = await startUsersBroker(t, { ...more, broker: { listeners }, users })
  const secure = stage.broker.listeners.find(({ type }) => type === 'mqtts')
  const [port = 0] = await freePorts(1)
  const bridge = readFileSync('configs/mosquitto-bridge.conf', 'utf8')
    .replace('robot.local:8883', `127.0.0.1:${secure?.port}`)
    .replace('/etc/mosquitto/certs/robot.pem', files.cert)
    .replace('SECRET', PASSWORD)
  const conf = `listener ${port} 127.0.0.1\nallow_anonymous true\n${edit(bridge)}`
  const mosquitto = await startMosquitto(folder, port, conf)
  t.after(() => mosquitto[Symbol.asyncDispose]())
  return { ...stage, mosquitto, port }
}
