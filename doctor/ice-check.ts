import type { WebrtcSection } from '#lib/config-schema.ts'
import { queryStunServer, tryTurnServer, usableIceServers } from '#services/webrtc/checks.ts'
import type { Patient } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'

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
  const { stun, turn } = usableIceServers([...iceServers, ...local, ...own])
  const found = await Promise.all([
    ...stun.map(checkStun),
    ...turn.map((server) => checkTurn(server, webrtc.ice)),
  ])
  if (stun.length === 0) found.push(ok('STUN', 'no server is configured'))
  if (turn.length === 0) found.push(warning('TURN', 'not tried: no server is known here', NO_TURN))
  return found
}

async function checkStun(server: { host: string; port: number }): Promise<Finding> {
  const check = `STUN ${server.host}:${server.port}`
  const began = performance.now()
  try {
    const mapped = await queryStunServer(server, STUN_WITHIN)
    return ok(check, `public address ${mapped}, ${Math.round(performance.now() - began)} ms`)
  } catch (err) {
    return failure(check, reasonOf(err), 'does a firewall block outgoing UDP? Check webrtc.stun_servers')
  }
}

async function checkTurn(
  server: ReturnType<typeof usableIceServers>['turn'][number],
  { port_range: portRange, tls_insecure: tlsInsecure }: WebrtcSection['ice'],
): Promise<Finding> {
  const check = `TURN ${server.host}:${server.port} over ${server.transport}`
  const began = performance.now()
  try {
    const relayed = await tryTurnServer(server, { portRange, tlsInsecure }, TURN_WITHIN)
    if (relayed)
      return ok(check, `allocated ${relayed} in ${Math.round(performance.now() - began)} ms, released`)
    return failure(
      check,
      'no allocation: refused or unreachable',
      'expired account? closed port? wrong certificate?',
    )
  } catch (err) {
    return failure(check, reasonOf(err), 'check the network and its name server; the relay gave this name')
  }
}
