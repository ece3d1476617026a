import type { WebrtcSection } from '#lib/config-schema.ts'
import { tryStunServer, tryTurnServer, usableIceServers } from '#services/webrtc/checks.ts'
import type { CheckContext } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

const STUN_TIMEOUT_MS = 3_000
const TURN_TIMEOUT_MS = 8_000
const NO_TURN = 'the relay sends its servers with each request: pass one with --ice-servers'

/** Sends a binding request to every STUN server, and makes an allocation at every TURN server, which is released. */
export async function checkIce({ config, iceServers }: CheckContext): Promise<CheckResult[]> {
  const { webrtc, local_relay } = config
  if (!webrtc) return [warning('STUN and TURN', 'skipped', 'fix the config first')]
  if (!webrtc.enabled) return [ok('STUN and TURN', 'webrtc.enabled is false')]
  const local = local_relay?.enabled ? local_relay.ice_servers : []
  const own = [...webrtc.stun_servers, ...webrtc.turn_servers]
  const { stun, turn } = usableIceServers([...iceServers, ...local, ...own])
  const found = await Promise.all([
    ...stun.map(checkStun),
    ...turn.map((server) => checkTurn(server, webrtc.ice)),
  ])
  if (stun.length === 0) found.push(ok('STUN', 'no server is configured'))
  if (turn.length === 0) found.push(warning('TURN', 'skipped: no server is configured', NO_TURN))
  return found
}

async function checkStun(server: { host: string; port: number }): Promise<CheckResult> {
  const check = `STUN ${server.host}:${server.port}`
  const startedAt = performance.now()
  try {
    const mapped = await tryStunServer(server, STUN_TIMEOUT_MS)
    return ok(check, `public address ${mapped}, ${Math.round(performance.now() - startedAt)} ms`)
  } catch (err) {
    return failure(check, reasonOf(err), 'does a firewall block outgoing UDP? Check webrtc.stun_servers')
  }
}

async function checkTurn(
  server: ReturnType<typeof usableIceServers>['turn'][number],
  { port_range: portRange, tls_insecure: tlsInsecure }: WebrtcSection['ice'],
): Promise<CheckResult> {
  const check = `TURN ${server.host}:${server.port} over ${server.transport}`
  const startedAt = performance.now()
  try {
    const relayed = await tryTurnServer(server, { portRange, tlsInsecure }, TURN_TIMEOUT_MS)
    if (relayed)
      return ok(check, `allocated ${relayed} in ${Math.round(performance.now() - startedAt)} ms, released`)
    return failure(
      check,
      'no allocation: refused or unreachable',
      'expired account? closed port? wrong certificate?',
    )
  } catch (err) {
    return failure(check, reasonOf(err), 'check the network and its name server; the relay gave this name')
  }
}
