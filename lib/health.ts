import { parseArgs } from 'node:util'
import { connectBus } from '#bus/bus.ts'
import { topics } from '#bus/topics.ts'
import { busLogin, LOGIN_SECTIONS } from './bus-login.ts'
import { configPath, parseSections, readConfigFile } from './config.ts'
import { BusSection } from './config-schema.ts'
import { PROJECT_ROOT, VERSION } from './version.ts'

/** The retained state arrives at once; the rest is margin for a broker under load. */
const TIMEOUT_MS = 3_000

/** `node lib/health.ts <service>`: exits 0 when the service's retained state says online, else 1 with the reason. */
async function main(): Promise<string | undefined> {
  const { positionals } = parseArgs({ allowPositionals: true, strict: false })
  const [service] = positionals
  if (!service) return 'usage: node lib/health.ts <service> [--config file]'
  const path = configPath('configs/robot.yaml')
  process.chdir(PROJECT_ROOT)
  const sections = { bus: BusSection, ...LOGIN_SECTIONS }
  const { bus: config, ...login } = parseSections(readConfigFile(path), sections)
  const silent = { warn() {}, info() {}, debug() {} }
  const options = {
    ...config,
    ...busLogin('health', config, login),
    service: 'health',
    version: VERSION,
    announce: false,
    log: silent,
  }
  await using bus = await connectBus(options)
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  await bus.subscribe(
    topics.serviceState,
    ({ state }) => resolve(state === 'online' ? undefined : `${service} is ${state}`),
    { service },
  )
  return await promise // before the bus is disposed
}

function print(text: string): void {
  process.stderr.write(`${text}\n`)
}

const deadline = setTimeout(() => {
  print(`no state within ${TIMEOUT_MS} ms: the broker is unreachable, or the service never started`)
  process.exit(1)
}, TIMEOUT_MS)

try {
  const problem = await main()
  if (problem) print(problem)
  process.exitCode = problem ? 1 : 0
} catch (err) {
  print((err as Error).message)
  process.exitCode = 1
}
clearTimeout(deadline)
