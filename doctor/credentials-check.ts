import { type Trial, tryCredentials } from '#services/relay-bridge/checks.ts'
import { isOnline, type Patient } from './check-context.ts'
import { type Finding, failure, ok, warning } from './check-result.ts'

const CHECK = 'relay credentials'
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
  const credentials = { deviceId: cloud.device_id, secret: cloud.device_secret }
  return report(await tryCredentials({ relay, credentials, dataDir: data_dir ?? './data' }))
}

function report(trial: Trial): Finding {
  switch (trial.outcome) {
    case 'accepted':
      return ok(CHECK, 'accepted; the connection is closed again')
    case 'refused':
      return refused(trial.reason)
    case 'unreachable':
      return failure(CHECK, trial.reason, 'check cloud.relay_url')
    case 'silent':
      return warning(
        CHECK,
        'accepted, but the relay stays silent',
        'it may hold an older connection: again in 30 s',
      )
    case 'connected-elsewhere':
      return warning(
        CHECK,
        'not tried: the relay has a connection of this robot already',
        'is the robot running elsewhere? Only one may, with this identity',
      )
    case 'hold-off': {
      const seconds = Math.ceil(trial.ms / 1000)
      return warning(CHECK, 'not tried: the relay may hold the previous attempt', `again in ${seconds} s`)
    }
  }
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
