import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import { hashPassword } from '#broker/auth/password-hash.ts'
import { startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import type { Stack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const PASSWORD = 'site-password'

/** A robot with a broker of its own, and its `bus.prefix`. */
interface Robot {
  stack: Stack
  prefix: string
}

/**
 * The Mosquitto of a house beside Home Assistant, with the documented bridge to each of these robots, on this machine without
 * TLS. Resolves to its port.
 */
export async function startHouse(t: TestContext, robots: readonly Robot[]): Promise<number> {
  for (const { stack } of robots) await addSite(stack)
  const [port = 0] = await freePorts(1)
  const bridges = robots.map(bridgeTo).join('\n')
  const conf = `listener ${port} 127.0.0.1\nallow_anonymous true\n${bridges}`
  const mosquitto = await startMosquitto(temporaryFolder(t), port, conf)
  closeAfter(t, () => mosquitto[Symbol.asyncDispose]())
  return port
}

/** As docs/home-assistant.md has it for a robot with this prefix. */
function bridgeTo({ stack, prefix }: Robot): string {
  return readFileSync('configs/mosquitto-bridge.conf', 'utf8')
    .replace('robot.local:8883', `127.0.0.1:${stack.brokerPort}`)
    .replace(/^bridge_cafile .*$/m, '')
    .replace('SECRET', PASSWORD)
    .replaceAll(/^#topic/gm, 'topic')
    .replaceAll('wimz/', `${prefix}/`)
    .replace('connection wimz', `connection ${prefix}`)
}

/** The second `site` of configs/broker.yaml, on a broker that reloads its users. */
async function addSite(stack: Stack): Promise<void> {
  const comments = readFileSync('configs/broker.yaml', 'utf8').matchAll(/^ {2}# site:\n(?: {2}#.*\n)+/gm)
  const [, site = ''] = Array.from(comments, ([found]) => found)
  const user = parse(site.replaceAll(/^ {2}# ?/gm, '')).site
  const file = join(dirname(stack.config), 'broker.yaml')
  const users = parse(readFileSync(file, 'utf8'))
  users.users.site = { ...user, password: await hashPassword(PASSWORD) }
  const reloaded = stack.line(({ msg }) => msg === 'users and certificates reloaded', 30_000)
  writeFileSync(file, stringify(users))
  await reloaded
}
