import pino, { type Logger, type LoggerOptions } from 'pino'
import { hideSignatures } from './redact.ts'

export type { Logger } from 'pino'

const SECRET_KEYS = [
  'credential',
  'password',
  'secret',
  'device_secret',
  'token',
  'signature',
  'authorization',
]

/** Every secret by its key, up to three levels deep: pino has no wildcard for depth. */
const REDACTED = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`, `*.*[*].${key}`, `*[*].${key}`])

const OPTIONS: LoggerOptions = {
  level: 'info',
  base: null,
  redact: { paths: REDACTED, censor: '[secret]' },
  formatters: { level: (label) => ({ level: label }) },
  timestamp: pino.stdTimeFunctions.isoTime,
  hooks: { streamWrite: hideSignatures },
}

/** The root logger of a process: JSON lines on stdout, or to `destination`. Level from `LOG_LEVEL`. */
export function createLogger(service: string, destination?: { write(line: string): void }): Logger {
  const options = { ...OPTIONS, level: process.env.LOG_LEVEL ?? 'info' }
  const root = destination
    ? pino(options, destination)
    : pino(options, pino.destination({ dest: 1, sync: true }))
  return root.child({ service })
}
