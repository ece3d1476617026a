import { type Trial, tryCredentials } from '#services/relay-bridge/checks.ts'
import { type CheckContext, isOnline } from './check-context.ts'
import { type CheckResult, failure, ok, warning } from './check-result.ts'

const CHECK = 'relay credentials'
const IDENTITY =
  'put DEVICE_ID and DEVICE_SECRET of the robot into .env (Docker), /etc/wimz/robot.env (systemd) or configs/.env (npm start), and restart'

/**
 * Whether the relay accepts this robot's credentials. A second connection of a robot makes the relay close the first one
 * (docs/relay-protocol.md, registration). So the state of a running bridge decides; only without a bridge, and when the
 * relay has no connection of this robot, the doctor connects itself.
 */
export async function checkCredentials(context: CheckContext, relay: URL): Promise<CheckResult> {
  const { cloud, data_dir } = context.config
  const [missing] = missingIdentity(context)
  if (missing || !cloud) return missing ?? warning(CHECK, 'skipped', 'fix the config first')
  if (isOnline(context, 'relay-bridge')) return askBridge(context)
  if (!context.bus && !context.brokerDown) {
    return warning(
      CHECK,
      'skipped: without the bus it is unknown whether the bridge runs',
      'fix the bus first',
    )
  }
  const credentials = { deviceId: cloud.device_id, secret: cloud.device_secret }
  return resultOf(await tryCredentials({ relay, credentials, dataDir: data_dir ?? './data' }))
}

/** A robot without identity is reported also where the relay cannot be reached. */
export function missingIdentity({ config }: CheckContext): CheckResult[] {
  const { device_id, device_secret } = config.cloud ?? {}
  const missing = [!device_id && 'device_id', !device_secret && 'device_secret'].filter(Boolean)
  return missing.length === 0 ? [] : [failure(CHECK, `no ${missing.join(' and no ')}`, IDENTITY)]
}

function resultOf(trial: Trial): CheckResult {
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

function askBridge({ link }: CheckContext): CheckResult {
  if (!link) return warning(CHECK, 'no relay-bridge/link from the bridge', 'check the log of relay-bridge')
  if (link.connected) return ok(CHECK, `connected since ${new Date(link.since).toISOString()}`)
  const reason = link.last_close ? `, last close ${link.last_close.code}: ${link.last_close.reason}` : ''
  if (link.state === 'auth_failed') return refused(`refused${reason}`)
  return failure(CHECK, `link ${link.state}, ${link.attempts} tries${reason}`, 'see the log of relay-bridge')
}

function refused(message: string): CheckResult {
  return failure(CHECK, message, `${IDENTITY}; the path of cloud.relay_url may be wrong as well`)
}
