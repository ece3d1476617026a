import { createGathering } from '#services/webrtc/ice/gathering.ts'
import { chooseIceServers, type TurnServer } from '#services/webrtc/ice/ice-servers.ts'
import { allocateRelay } from '#services/webrtc/ice/relay-candidate.ts'
import { resolveHost } from '#services/webrtc/ice/resolve-host.ts'
import type { Patient } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'
import { askStun } from './stun.ts'

/** Milliseconds for one server. */
const STUN_WITHIN = 3_000
const TURN_WITHIN = 8_000
const NO_TURN = 'the relay names its servers with each request only: give one with --ice-servers'

/** Asks every STUN server for our address, and every TURN server for an allocation, which is given back. */
export async function checkIce({ config, iceServers }: Patient): Promise<Finding[]> {
  const { webrtc, local_relay } = config
  if (!webrtc) return [warning('STUN and TURN', 'not looked at', 'mend the config first')]
  if (!webrtc.enabled) return [ok('STUN and TURN', 'webrtc.enabled is false')]
  const local = local_relay?.enabled ? local_relay.ice_servers : []
  const own = [...webrtc.stun_servers, ...webrtc.turn_servers]
  const { stun, turn } = chooseIceServers([...iceServers, ...local, ...own], [])
  const found = await Promise.all([
    ...stun.map(checkStun),
    ...turn.map((server) => checkTurn(server, webrtc.ice)),
  ])
  if (stun.length === 0) found.push(ok('STUN', 'no server is configured'))
  if (turn.length === 0) found.push(warning('TURN', 'not tried: no server is known here', NO_TURN))
  return found
}

async function checkStun({ host, port }: { host: string; port: number }): Promise<Finding> {
  const check = `STUN ${host}:${port}`
  try {
    const began = performance.now()
    const mapped = await askStun(await resolveHost(host), port, STUN_WITHIN)
    return ok(check, `we are ${mapped} outside, ${Math.round(performance.now() - began)} ms`)
  } catch (err) {
    return failure(check, reasonOf(err), 'does a firewall let UDP out? look at webrtc.stun_servers')
  }
}

async function checkTurn(
  server: TurnServer,
  { port_range: portRange, tls_insecure: tlsInsecure }: { port_range: TurnOptions; tls_insecure: boolean },
): Promise<Finding> {
  const check = `TURN ${server.host}:${server.port} over ${server.transport}`
  try {
    await resolveHost(server.host)
  } catch (err) {
    return failure(check, reasonOf(err), 'look at the network and its name server; the relay gave this name')
  }
  const gathering = createGathering()
  const began = performance.now()
  const timer = setTimeout(() => void gathering.close(), TURN_WITHIN)
  try {
    const turn = await allocateRelay([server], { portRange, tlsInsecure }, gathering)
    const ms = Math.round(performance.now() - began)
    if (!turn) {
      const advice = 'account out of date? port closed? certificate not for this name?'
      return failure(check, 'no allocation: refused or out of reach', advice)
    }
    const [address, port] = turn.relayedAddress
    return ok(check, `allocated ${address}:${port} in ${ms} ms, and given back`)
  } finally {
    clearTimeout(timer)
    await gathering.close()
  }
}

type TurnOptions = [number, number] | null
