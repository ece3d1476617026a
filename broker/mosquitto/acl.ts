import { configPath, parseSections, readConfigFile } from '#lib/config.ts'
import { BusSection } from '#lib/config-schema.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { type Rules, readUsers, type Users } from '../auth/users.ts'
import { BrokerSection } from '../config.ts'

const HEADER = `# Who may say and hear what, for Mosquitto. Made of configs/broker.yaml; do not edit, but run:
#   npm run --silent mosquitto:acl > configs/mosquitto.acl
# Mosquitto grants every subscription and delivers only what these rules let the user read.
`

/** An ACL file of Mosquitto (mosquitto.conf(5), acl_file) with the rules of our own broker. */
function mosquittoAcl({ byName, local }: Users): string {
  const parts = [
    `# Clients without user name: for listeners that only this machine reaches.\n${rulesOf(local)}`,
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
const { broker, bus } = parseSections(readConfigFile(path), { broker: BrokerSection, bus: BusSection })
process.stdout.write(mosquittoAcl(readUsers(broker.users_file, bus.prefix)))
