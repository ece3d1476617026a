import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { configPath } from '#lib/config.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { Finding } from './check-result.ts'
import { createHider } from './redactor.ts'
import { examine } from './run-checks.ts'

const USAGE = `usage: npm run doctor -- [--config file.yaml] [--json] [--ice-servers file-or-JSON]

Looks at config, bus, services, camera, model, relay, STUN and TURN, clock, disk and temperature. Exits 1 when
something has failed, 2 when it cannot look at all. --ice-servers takes what the relay would send: [{"urls":"turn:…","username":"…","credential":"…"}]
`

const OPTIONS = {
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  'ice-servers': { type: 'string' },
} as const

/** What a shell says of a program that SIGPIPE has ended: nobody reads what we say any more. */
const NOBODY_READS = 141

function readIceServers(given: string | undefined): unknown[] {
  if (given === undefined) return []
  const text = /^\s*[[{]/.test(given) ? given : readFileSync(given, 'utf8')
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed === 'object' && parsed && 'iceServers' in parsed) return [parsed.iceServers].flat()
  return [parsed].flat()
}

const LABELS = { ok: 'ok     ', warning: 'WARNING', failure: 'FAILURE' } as const

function inOneLine({ check, status, message, advice }: Finding): string {
  return `${LABELS[status]}  ${check}: ${message}${advice ? ` → ${advice}` : ''}`
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const path = configPath('configs/robot.yaml')
  const iceServers = readIceServers(values['ice-servers'])
  process.chdir(PROJECT_ROOT)
  const hide = createHider(path, iceServers)
  const findings: Finding[] = []
  for await (const finding of examine(path, iceServers)) {
    findings.push(finding)
    if (!values.json) process.stdout.write(`${hide(inOneLine(finding))}\n`)
  }
  const failed = findings.some(({ status }) => status === 'failure')
  if (values.json) process.stdout.write(`${hide(JSON.stringify({ ok: !failed, findings }, null, 2))}\n`)
  return failed ? 1 : 0
}

process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') process.stderr.write(`cannot say what was found: ${message}\n`)
  process.exit(code === 'EPIPE' ? NOBODY_READS : 2)
})
try {
  const code = await main()
  // a camera or a look-up that hangs must not hold us
  process.stdout.write('', () => process.exit(code))
} catch (err) {
  process.stderr.write(`${(err as Error).message}\n${USAGE}`)
  process.exitCode = 2
}
