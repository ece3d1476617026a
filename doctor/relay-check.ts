import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { relayWebSocketUrl } from '#services/relay-bridge/checks.ts'
import type { Patient } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'
import { checkCredentials } from './credentials-check.ts'

/** Milliseconds for each step. */
const STEP = 5_000
const DAY = 86_400_000
/** Certificates are usually renewed a month before their end. */
const RENEWED_BEFORE = 14

/** The way to the relay step by step, and whether it knows this robot. */
export async function checkRelay(patient: Patient): Promise<Finding[]> {
  const { cloud } = patient.config
  if (!cloud) return [warning('relay', 'not looked at', 'mend the config first')]
  if (!cloud.enabled) return [ok('relay', 'cloud.enabled is false: no relay')]
  const relay = relayWebSocketUrl(cloud.relay_url)
  const host = relay.hostname.replace(/^\[|\]$/g, '')
  const port = Number(relay.port) || (relay.protocol === 'wss:' ? 443 : 80)
  const findings: Finding[] = []
  for (const step of [
    () => checkName(host),
    () => checkPort(host, port),
    () => (relay.protocol === 'wss:' ? checkTls(host, port) : warnOfPlain(host)),
  ]) {
    const finding = await step()
    findings.push(finding)
    if (finding.status === 'failure') return findings
  }
  return [...findings, await checkCredentials(patient, relay)]
}

async function checkName(host: string): Promise<Finding> {
  try {
    const found = await lookup(host, { all: true })
    const addresses = found.map(({ address }) => address).slice(0, 4)
    return ok('relay name', `${host} is ${addresses.join(', ')}`)
  } catch (err) {
    return failure('relay name', reasonOf(err), 'look at the network, its name server, and cloud.relay_url')
  }
}

async function checkPort(host: string, port: number): Promise<Finding> {
  const began = performance.now()
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(STEP) })
    return ok('relay port', `${port} open, ${Math.round(performance.now() - began)} ms`)
  } catch (err) {
    const advice = 'does the relay run? does a firewall let us out?'
    return failure('relay port', `${port}: ${reasonOf(err)}`, advice)
  } finally {
    socket.destroy()
  }
}

async function checkTls(host: string, port: number): Promise<Finding> {
  const socket: TLSSocket = connectTls({ host, port, servername: host })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(STEP) })
    const { valid_to } = socket.getPeerCertificate()
    const days = Math.floor((Date.parse(valid_to) - Date.now()) / DAY)
    const found = `${socket.getProtocol()}, certificate good for ${days} more days`
    if (days >= RENEWED_BEFORE) return ok('relay TLS', found)
    return warning('relay TLS', found, 'tell whoever runs the relay to renew it')
  } catch (err) {
    const advice = 'a wrong clock, or somebody between us and the relay, has the same effect'
    return failure('relay TLS', reasonOf(err), advice)
  } finally {
    socket.destroy()
  }
}

function warnOfPlain(host: string): Finding {
  if (host === 'localhost' || /^(127\.|::1$)/.test(host)) return ok('relay TLS', 'none: on this machine')
  const advice = 'use wss:// in cloud.relay_url'
  return warning('relay TLS', 'none: anybody on the way can listen and take the robot over', advice)
}
