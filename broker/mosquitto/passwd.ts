import { configPath, parseSections, readConfigFile } from '#lib/config.ts'
import { BusSection, DataDir } from '#lib/config-schema.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { readUsers } from '../auth/users.ts'
import { BrokerSection } from '../config.ts'

/**
 * `npm run mosquitto:passwd`: prints `user:password` for each user of `broker.users_file` with a generated password, the input
 * of `mosquitto_passwd -U`. In clear text, so it refuses a terminal.
 */
function main(): void {
  const path = configPath('configs/robot.yaml')
  process.chdir(PROJECT_ROOT)
  const sections = { broker: BrokerSection, bus: BusSection, data_dir: DataDir }
  const { broker, bus, data_dir } = parseSections(readConfigFile(path), sections)
  if (process.stdout.isTTY) {
    process.stderr.write('the output is passwords in clear text: redirect it to a file with mode 600\n')
    process.exitCode = 1
    return
  }
  for (const { name, hash } of readUsers(broker.users_file, bus.prefix).byName.values()) {
    if (hash === undefined) process.stdout.write(`${name}:${ensurePassword(data_dir, name)}\n`)
    else process.stderr.write(`${name} has its own password hash: add it with mosquitto_passwd\n`)
  }
}

main()
