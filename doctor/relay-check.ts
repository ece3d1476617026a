import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, isIP } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { bareHost } from '#bus/bare-host.ts'
import { relayWebSocketUrl } from '#services/relay-bridge/checks.ts'
import { relayAdvice } from './advice.ts'
import type { CheckContext } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'
import { checkCredentials, missingIdentity } from './credentials-check.ts'

const STEP_TIMEOUT_MS = 5_000
const DAY_MS = 86_400_000
/** Certificates are usually renewed 30 days before they expire. */
const MIN_CERTIFICATE_DAYS = 14

/** DNS, TCP and TLS of the relay, and whether it accepts this robot. */
export async function checkRelay(context: CheckContext): Promise<CheckResult[]> {
  const { cloud } = context.config
  if (!cloud) return [warning('relay', 'skipped', 'fix the config first')]
  if (!cloud.enabled) return [ok('relay', 'cloud.enabled is false: no relay')]
  const relay = relayWebSocketUrl(cloud.relay_url)
  const host = bareHost(relay.hostname)
  const port = Number(relay.port) || (relay.protocol === 'wss:' ? 443 : 80)
  const results: CheckResult[] = []
  for (const step of [
    () => checkName(host),
    () => checkPort(host, port),
    () => (relay.protocol === 'wss:' ? checkTls(host, port) : checkPlaintext(host)),
  ]) {
    const result = await step()
    results.push(result)
    if (result.status === 'failure') return [...results, ...missingIdentity(context)]
  }
  return [...results, await checkCredentials(context, relay)]
}

async function checkName(host: string): Promise<CheckResult> {
  try {
    const found = await lookup(host, { all: true })
    const addresses = found.map(({ address }) => address).slice(0, 4)
    return ok('relay name', `${host} is ${addresses.join(', ')}`)
  } catch (err) {
    return failure('relay name', reasonOf(err), relayAdvice(reasonOf(err)))
  }
}

async function checkPort(host: string, port: number): Promise<CheckResult> {
  const startedAt = performance.now()
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) })
    return ok('relay port', `${port} open, ${Math.round(performance.now() - startedAt)} ms`)
  } catch (err) {
    return failure('relay port', `${port}: ${reasonOf(err)}`, relayAdvice(reasonOf(err)))
  } finally {
    socket.destroy()
  }
}

async function checkTls(host: string, port: number): Promise<CheckResult> {
  const socket: TLSSocket = connectTls({ host, port, servername: isIP(host) ? '' : host })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(STEP_TIMEOUT_MS) })
    const { valid_to } = socket.getPeerCertificate()
    const days = Math.floor((Date.parse(valid_to) - Date.now()) / DAY_MS)
    const found = `${socket.getProtocol()}, certificate valid for ${days} more days`
    if (days >= MIN_CERTIFICATE_DAYS) return ok('relay TLS', found)
    return warning('relay TLS', found, 'ask the operator of the relay to renew it')
  } catch (err) {
    return failure('relay TLS', reasonOf(err), relayAdvice(reasonOf(err)))
  } finally {
    socket.destroy()
  }
}

function checkPlaintext(host: string): CheckResult {
  if (host === 'localhost' || /^(127\.|::1$)/.test(host))
    return ok('relay TLS', 'none: the relay is on this machine')
  const advice = 'use wss:// in cloud.relay_url'
  return warning(
    'relay TLS',
    'none: anyone on the network path can read the traffic and take over the robot',
    advice,
  )
}
