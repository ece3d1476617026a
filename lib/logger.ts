import pino, { type Logger, type LoggerOptions } from 'pino'
import { hideSecrets } from './redact.ts'

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

/** Secrets of any type by their key, up to three levels deep; `hideSecrets` finds texts at any depth. */
const REDACTED = SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`, `*.*[*].${key}`, `*[*].${key}`])

const OPTIONS: LoggerOptions = {
  level: 'info',
  base: null,
  redact: { paths: REDACTED, censor: '[secret]' },
  formatters: { level: (label) => ({ level: label }), log: renameReserved },
  timestamp: pino.stdTimeFunctions.isoTime,
  hooks: { streamWrite: hideSecrets },
}

/** Keys of every line. */
const RESERVED = ['level', 'time', 'msg', 'service'] as const

/** A field with the name of one of them would be a second key in the line, which readers take instead of the first. */
function renameReserved(fields: Record<string, unknown>): Record<string, unknown> {
  if (!RESERVED.some((key) => key in fields)) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      RESERVED.some((one) => one === key) ? `${key}_` : key,
      value,
    ]),
  )
}

/** Lines of one message at once, and the interval at which further ones are allowed. */
const BURST = 50
const REFILL_INTERVAL_MS = 2_000
/** Messages are constants, so there are few; beyond this they share one limit. */
const MAX_MESSAGES = 500
const INFO = 30

type LogMethod = NonNullable<NonNullable<LoggerOptions['hooks']>['logMethod']>

/**
 * Limits the lines of each message from `info` up, whatever its fields: a flood of invalid input must not become a flood of
 * lines. The next line has the number of those left out as `suppressed`. `now` in milliseconds, monotonic.
 */
export function limitLines(now = () => performance.now()): LogMethod {
  const limits = new LineLimits(now)
  return function limited(args, method, level) {
    const text = args.find((arg) => typeof arg === 'string') ?? ''
    const suppressed = level < INFO ? 0 : limits.take(text)
    if (suppressed === undefined) return
    const [first] = args as unknown as [unknown]
    if (suppressed === 0) method.apply(this, args)
    else method.call(this, { ...(first instanceof Object ? first : {}), suppressed }, text)
  }
}

class LineLimits {
  readonly #limits = new Map<string, { tokens: number; refilledAt: number; suppressed: number }>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** Undefined: no line may be written. Else the number of lines that were suppressed before this one. */
  take(text: string): number | undefined {
    const key = this.#limits.has(text) || this.#limits.size < MAX_MESSAGES ? text : ''
    const limit = this.#limits.get(key) ?? { tokens: BURST, refilledAt: this.#now(), suppressed: 0 }
    this.#limits.set(key, limit)
    const refill = Math.floor((this.#now() - limit.refilledAt) / REFILL_INTERVAL_MS)
    limit.tokens = Math.min(BURST, limit.tokens + refill)
    limit.refilledAt += refill * REFILL_INTERVAL_MS
    if (limit.tokens < 1) {
      limit.suppressed++
      return undefined
    }
    limit.tokens--
    const { suppressed } = limit
    limit.suppressed = 0
    return suppressed
  }
}

/** The root logger of a process: JSON lines on stdout, or to `destination`. Level from `LOG_LEVEL`. */
export function createLogger(service: string, destination?: { write(line: string): void }): Logger {
  const hooks = { ...OPTIONS.hooks, logMethod: limitLines() }
  const options = { ...OPTIONS, hooks, level: process.env.LOG_LEVEL ?? 'info' }
  const root = destination
    ? pino(options, destination)
    : pino(options, pino.destination({ dest: 1, sync: true }))
  return root.child({ service })
}
