import { ControlRights, grantedControls } from '#commands/controls.ts'
import { configPath, parseSections, readConfigFile } from '#lib/config.ts'
import { BusSection } from '#lib/config-schema.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { type Rules, readUsers, type Users } from '../auth/users.ts'
import { BrokerSection } from '../config.ts'

const HEADER = `# Access rules for Mosquitto, generated from configs/broker.yaml and homeassistant.controls. Do not edit, run:
#   npm run --silent mosquitto:acl > configs/mosquitto.acl
# Mosquitto grants every subscription, but delivers only what these rules allow the user to read.
`

/** An ACL file for Mosquitto (mosquitto.conf(5), acl_file) with the rules of the embedded broker. */
function mosquittoAcl({ byName, local }: Users): string {
  const parts = [
    `# Clients without a user name: only for listeners on a loopback address.\n${rulesOf(local)}`,
    ...Array.from(byName.values(), (user) => `user ${user.name}\n${rulesOf(user)}`),
  ]
  return `${HEADER}\n${parts.join('\n')}`
}

function rulesOf({ publish, subscribe }: Rules): string {
  const lines = [
    ...publish.map((filter) => `topic write ${filter}\n`),
    ...subscribe.map((filter) => `topic read ${filter}\n`),
  ]
  return lines.join('')
}

const path = configPath('configs/robot.yaml')
process.chdir(PROJECT_ROOT)
const sections = { broker: BrokerSection, bus: BusSection, homeassistant: ControlRights }
const { broker, bus, homeassistant } = parseSections(readConfigFile(path), sections)
process.stdout.write(mosquittoAcl(readUsers(broker.users_file, bus.prefix, grantedControls(homeassistant))))
