import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { configPath } from '#lib/config.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { CheckResult } from './check-result.ts'

const USAGE = `usage: npm run doctor -- [--config file.yaml] [--json] [--ice-servers file-or-JSON] [--timeout seconds]

Checks config, bus, services, camera, model, relay, STUN and TURN, clock, disk and temperature. Exits with 1 when a check
fails, with 2 when it cannot run. --ice-servers takes servers as the relay sends them: [{"urls":"turn:…","username":"…","credential":"…"}]
--timeout is for each group of checks, 25 unless given: a busy machine may need more.
`

const OPTIONS = {
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  'ice-servers': { type: 'string' },
  timeout: { type: 'string', default: '25' },
} as const

/** How long the exit waits for checks that missed their deadline; on an overloaded machine a model takes more than 3 s to open. */
const OVERDUE_LIMIT_MS = 15_000

/** Exit code of a program that SIGPIPE ended, as in a shell. */
const SIGPIPE_EXIT_CODE = 141

function readIceServers(given: string | undefined): unknown[] {
  if (given === undefined) return []
  const text = /^\s*[[{]/.test(given) ? given : readFileSync(given, 'utf8')
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed === 'object' && parsed && 'iceServers' in parsed) return [parsed.iceServers].flat()
  return [parsed].flat()
}

const LABELS = { ok: 'ok     ', warning: 'WARNING', failure: 'FAILURE' } as const

function inOneLine({ check, status, message, advice }: CheckResult): string {
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
  const timeout = Number(values.timeout)
  if (!(timeout > 0 && timeout <= 3_600))
    throw new Error('--timeout must be a number of seconds, at most 3600')
  process.chdir(PROJECT_ROOT)
  // usage errors need not wait for the modules of camera, model and MQTT
  const [{ createRedactor }, { runChecks }, { settleOverdue }, { qrCode }] = await Promise.all([
    import('./redactor.ts'),
    import('./run-checks.ts'),
    import('./check-result.ts'),
    import('#lib/local-page/qr-code.ts'),
  ])
  const redact = createRedactor(path, iceServers)
  const results: CheckResult[] = []
  for await (const result of runChecks(path, iceServers, timeout * 1_000)) {
    results.push(result)
    if (!values.json) process.stdout.write(`${redact(inOneLine(result))}\n`)
    if (!values.json && result.link && process.stdout.isTTY) process.stdout.write(`${qrCode(result.link)}\n`)
  }
  const failed = results.some(({ status }) => status === 'failure')
  if (values.json)
    process.stdout.write(`${redact(JSON.stringify({ ok: !failed, findings: results }, null, 2))}\n`)
  await settleOverdue(OVERDUE_LIMIT_MS)
  return failed ? 1 : 0
}

process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') process.stderr.write(`cannot write the results: ${message}\n`)
  process.exit(code === 'EPIPE' ? SIGPIPE_EXIT_CODE : 2)
})
try {
  const code = await main()
  process.stdout.write('', () => process.exit(code))
} catch (err) {
  process.stderr.write(`${(err as Error).message}\n${USAGE}`)
  process.exitCode = 2
}
