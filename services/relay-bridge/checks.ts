/** What doctor/ may use of this service: its relay addresses, and one trial connection with the robot's credentials. */
import { join } from 'node:path'
import { relayAddress, relayHttp } from '#lib/http/relay-address.ts'
import { createLogger } from '#lib/logger.ts'
import { authHeaders, type Credentials } from './connection/credentials.ts'
import { reactionTo } from './connection/disconnect.ts'
import { LastConnection } from './connection/last-connection-state.ts'
import { RelaySocket } from './connection/relay-socket.ts'
import { isListed } from './connection/stale-registration-check.ts'

/** Milliseconds; `register` is the wait for the first frame after our ping. */
const TIMES = { connect: 5_000, ping: 60_000, pong: 60_000, register: 5_000 }

/** The relay's WebSocket address: `RELAY_URL` of the environment overrides the configured one. Throws ConfigError. */
export function relayWebSocketUrl(configured: string): URL {
  return relayAddress(configured, process.env.RELAY_URL)
}

/** An HTTP address of the same relay. Throws ConfigError. */
export function relayHttpUrl(configured: string, path: string): URL {
  return relayHttp(relayWebSocketUrl(configured), path)
}

/** What one trial connection showed. `reason` is the relay's or the network's own words. */
export type Trial =
  | { outcome: 'accepted' | 'silent' | 'connected-elsewhere' }
  | { outcome: 'refused' | 'unreachable'; reason: string }
  /** An earlier attempt may still be pending at the relay; dialing now would leave it with a stale registration. */
  | { outcome: 'hold-off'; ms: number }

interface TrialOptions {
  relay: URL
  credentials: Credentials
  dataDir: string
}

/**
 * Connects once with these credentials and closes again, unless the relay already has a connection of this robot or
 * a previous attempt is too recent. Only for a robot whose relay-bridge is not running: the relay closes the first of
 * two connections of one device.
 */
export async function tryCredentials({ relay, credentials, dataDir }: TrialOptions): Promise<Trial> {
  const { deviceId } = credentials
  const auth = () => authHeaders(credentials, 'id:timestamp')
  if (await isListed({ relay, deviceId, auth, times: { answer: TIMES.connect } })) {
    return { outcome: 'connected-elsewhere' }
  }
  const path = join(dataDir, 'relay-connection.json')
  await using last = await LastConnection.load(path, createLogger('doctor', { write: () => {} }))
  if (last.holdOff > 0) return { outcome: 'hold-off', ms: last.holdOff }
  return await connectOnce(relay, credentials, last)
}

async function connectOnce(url: URL, credentials: Credentials, last: LastConnection): Promise<Trial> {
  let registered = false
  const socket: RelaySocket = new RelaySocket({
    url,
    headers: authHeaders(credentials, 'id:timestamp'),
    times: TIMES,
    onDate: () => {},
    onOpen() {
      last.opened()
      socket.send(JSON.stringify({ type: 'ping' }))
    },
    onRegistered() {
      registered = true
      last.registered()
      socket.close(1000, 'checked')
    },
    onText: () => {},
    onUnreadable: () => {},
  })
  const disconnect = await socket.ended
  if (registered) {
    last.closed()
    return { outcome: 'accepted' }
  }
  const { reason } = disconnect
  if (reactionTo(disconnect) === 'refused') return { outcome: 'refused', reason }
  return disconnect.openFor === 0 ? { outcome: 'unreachable', reason } : { outcome: 'silent' }
}
