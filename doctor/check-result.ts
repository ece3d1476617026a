/** Result of one check. */
export interface CheckResult {
  check: string
  status: 'ok' | 'warning' | 'failure'
  message: string
  /** What the operator can do. */
  advice?: string
  /** URL to open on a phone. */
  link?: string | undefined
}

export const ok = (check: string, message: string): CheckResult => ({ check, status: 'ok', message })

export const warning = (check: string, message: string, advice: string): CheckResult => ({
  ...{ check, status: 'warning', message, advice },
})

export const failure = (check: string, message: string, advice: string): CheckResult => ({
  ...{ check, status: 'failure', message, advice },
})

/** The reason in one line; of several addresses that all failed, the first one's. */
export function reasonOf(err: unknown): string {
  const one = err instanceof AggregateError ? err.errors[0] : err
  const { code, message } = one instanceof Error ? (one as NodeJS.ErrnoException) : { message: String(one) }
  return (message || code || 'unknown').replaceAll(/\s+/g, ' ').slice(0, 300)
}

/** Checks that go on after their deadline. */
const overdue = new Set<Promise<unknown>>()

/**
 * Waits for checks that missed their deadline, at most `within` ms: a process that exits while native code opens a model or a
 * camera is aborted (`Napi::Error`), and its exit code is lost.
 */
export async function settleOverdue(within: number): Promise<void> {
  const timeout = Promise.withResolvers<void>()
  const timer = setTimeout(timeout.resolve, within)
  await Promise.race([Promise.all(overdue), timeout.promise])
  clearTimeout(timer)
}

/** The results of a check, or a failure when it takes longer than `within` ms or throws. */
export async function bounded(
  check: string,
  within: number,
  run: () => Promise<CheckResult[]> | CheckResult[],
): Promise<CheckResult[]> {
  const timeout = Promise.withResolvers<CheckResult[]>()
  const message = `no result within ${within / 1000} s`
  const timer = setTimeout(() => {
    overdue.add(running)
    timeout.resolve([failure(check, message, 'run the doctor again')])
  }, within)
  const running = (async () => await run())().catch((err: unknown) => [
    failure(check, reasonOf(err), 'check the log of the service'),
  ])
  void running.finally(() => overdue.delete(running))
  return await Promise.race([running, timeout.promise]).finally(() => clearTimeout(timer))
}
