interface Accepted {
  file: string
  /** The line before the change, trimmed. */
  text: string
  /** Which part of the line, where several have the same replacement. */
  find?: string
  replace: string
  reason: string
}

/** Generated faults that change nothing that is promised. */
export const ACCEPTED: readonly Accepted[] = [
  {
    file: 'commands/drive/motor-guard.ts',
    text: 'this.#repeats.delete(timer)',
    replace: '',
    reason: 'a timer that has fired is only cleared once more',
  },
  {
    file: 'commands/drive/motor-guard.ts',
    text: 'this.#repeats.clear()',
    replace: '',
    reason: 'a timer that has fired is only cleared once more',
  },
  {
    file: 'commands/drive/drive-sequence.ts',
    text: 'const allowed = this.#fastest && this.#fastest.delay + ((now - this.#fastest.at) / 1_000) * DRIFT',
    find: '*',
    replace: '/',
    reason: 'DRIFT is 1',
  },
  {
    file: 'lib/http/login-throttle.ts',
    text: 'const delay = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(10, failures.count - FREE_ATTEMPTS))',
    find: '10',
    replace: '(10 * 10)',
    reason: 'keeps the power finite; MAX_DELAY_MS is the limit',
  },
  {
    file: 'doctor/machine-check.ts',
    text: "if (isSynchronized) return [ok('clock', `${new Date().toISOString()}, ${source}`)]",
    replace: '',
    reason: 'has an effect only on a machine with systemd-timesyncd',
  },
  {
    file: 'doctor/machine-check.ts',
    text: "const response = await fetch(url, { signal: AbortSignal.timeout(4_000), redirect: 'error' })",
    replace: '(4_000 * 10)',
    reason: 'each check is bounded by run-checks.ts',
  },
  {
    file: 'doctor/machine-check.ts',
    text: "const { stdout } = await promisify(execFile)('vcgencmd', ['get_throttled'], { timeout: 2_000 })",
    replace: '(2_000 * 10)',
    reason: 'each check is bounded by run-checks.ts',
  },
  {
    file: 'services/relay-bridge/outbox/outbox-sender.ts',
    text: 'if (upTo === undefined) return',
    replace: '',
    reason: 'without a ping there is no number that a pong could confirm',
  },
  {
    file: 'services/relay-bridge/outbox/outbox-sender.ts',
    text: 'if (this.#wire !== wire) return',
    replace: '',
    reason: 'the loop ends at its next turn',
  },
  {
    file: 'services/relay-bridge/outbox/outbox-sender.ts',
    text: 'const SENDER_TIMES: SenderTimes = { pause: 25, pong: 90_000 }',
    replace: '(25 * 10)',
    reason: 'the pace of a backlog; test/relay-bridge/outbox/outbox.test.ts sends one in time',
  },
  {
    file: 'lib/redact.ts',
    text: 'const next = isQuery ? indexOf(run, /"/g, end + 1) : end + 1',
    find: '+',
    replace: '-',
    reason: 'neither a quotation mark nor a URL begins in the two characters',
  },
  {
    file: 'services/relay-bridge/protocol/event-encoder.ts',
    text: "if (typeof key === 'string' && Object.hasOwn(fields, key)) fields[key] = null",
    find: '&&',
    replace: '||',
    reason: 'no event has a required field, so only fields that are there are wrong',
  },
  {
    file: 'services/relay-bridge/outbox/outbox-store.ts',
    text: 'if (count === 0) return',
    replace: '',
    reason: 'adds 0',
  },
  {
    file: 'services/relay-bridge/outbox/outbox-store.ts',
    text: 'if (known) return known',
    replace: '',
    reason: 'a cache of prepared statements',
  },
  {
    file: 'services/relay-bridge/outbox/outbox-store.ts',
    text: 'const db = new DatabaseSync(path, { timeout: 5_000 })',
    replace: '(5_000 * 10)',
    reason: 'a wait for a second process, which the robot does not have',
  },
]
