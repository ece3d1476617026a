import { join } from 'node:path'
import { createLogger } from '#lib/logger.ts'
import { authHeaders } from '#services/relay-bridge/connection/credentials.ts'
import { reactionTo } from '#services/relay-bridge/connection/disconnect.ts'
import { LastConnection } from '#services/relay-bridge/connection/last-connection-state.ts'
import { RelaySocket } from '#services/relay-bridge/connection/relay-socket.ts'
import { isKnown } from '#services/relay-bridge/connection/stale-registration-check.ts'
import { isOnline, type Patient } from './check-context.ts'
import { type Finding, failure, ok, warning } from './check-result.ts'

const CHECK = 'relay credentials'
/** Milliseconds; `register` is the wait for the first frame after our ping. */
const TIMES = { connect: 5_000, ping: 60_000, pong: 60_000, register: 5_000 }
const IDENTITY = 'put DEVICE_ID and DEVICE_SECRET of the robot into configs/.env'

/**
 * Does the relay take this robot's credentials? A second connection of a robot makes the relay close the first one
 * (API_CONTRACT 8), so a bridge that runs is asked, and only without one, and when the relay knows of no other, is it dialled.
 */
export async function checkCredentials(patient: Patient, relay: URL): Promise<Finding> {
  const { cloud, data_dir } = patient.config
  if (!cloud?.device_id || !cloud.device_secret) {
    return failure(CHECK, 'no device_id or no device_secret', IDENTITY)
  }
  if (isOnline(patient, 'relay-bridge')) return askBridge(patient)
  if (!patient.bus && !patient.asleep) {
    return warning(CHECK, 'not tried: does the bridge run? The bus does not tell', 'mend the bus first')
  }
  const deviceId = cloud.device_id
  if (await isKnown({ relay, deviceId, times: { answer: TIMES.connect } })) {
    const advice = 'is the robot running elsewhere? Only one may, with this identity'
    return warning(CHECK, 'not tried: the relay has a connection of this robot already', advice)
  }
  const path = join(data_dir ?? './data', 'relay-connection.json')
  await using last = await LastConnection.load(path, createLogger('doctor', { write: () => {} }))
  if (last.holdOff > 0) {
    const seconds = Math.ceil(last.holdOff / 1000)
    return warning(CHECK, 'not tried: the relay may hold the try before', `again in ${seconds} s`)
  }
  return await dial(relay, { deviceId, secret: cloud.device_secret }, last)
}

function askBridge({ link }: Patient): Finding {
  if (!link) return warning(CHECK, 'the bridge does not tell of its link', 'look at the log of relay-bridge')
  if (link.connected) return ok(CHECK, `the relay knows us since ${new Date(link.since).toISOString()}`)
  const reason = link.last_close ? `, last close ${link.last_close.code}: ${link.last_close.reason}` : ''
  if (link.state === 'auth_failed') return refused(`refused${reason}`)
  return failure(CHECK, `link ${link.state}, ${link.attempts} tries${reason}`, 'see the log of relay-bridge')
}

function refused(message: string): Finding {
  return failure(CHECK, message, `${IDENTITY}; the path of cloud.relay_url may be wrong as well`)
}

async function dial(
  url: URL,
  credentials: { deviceId: string; secret: string },
  last: LastConnection,
): Promise<Finding> {
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
    onText() {
      if (registered) return
      registered = true
      last.registered()
      socket.close(1000, 'checked')
    },
    onUnreadable: () => {},
  })
  const ending = await socket.ended
  if (registered) {
    last.closed()
    return ok(CHECK, 'taken; the connection is closed again')
  }
  if (reactionTo(ending) === 'refused') return refused(ending.reason)
  if (ending.openFor === 0) return failure(CHECK, ending.reason, 'look at cloud.relay_url')
  return warning(CHECK, 'taken, but the relay stays silent', 'it may hold an older connection: again in 30 s')
}
