/** What one check has found. */
export interface Finding {
  check: string
  status: 'ok' | 'warning' | 'failure'
  message: string
  /** What to do about it. */
  advice?: string
}

export const ok = (check: string, message: string): Finding => ({ check, status: 'ok', message })

export const warning = (check: string, message: string, advice: string): Finding => ({
  ...{ check, status: 'warning', message, advice },
})

export const failure = (check: string, message: string, advice: string): Finding => ({
  ...{ check, status: 'failure', message, advice },
})

/** The reason in one line; a list of several addresses that all failed is told by its first. */
export function reasonOf(err: unknown): string {
  const one = err instanceof AggregateError ? err.errors[0] : err
  const { code, message } = one instanceof Error ? (one as NodeJS.ErrnoException) : { message: String(one) }
  return (message || code || 'unknown').replaceAll(/\s+/g, ' ').slice(0, 300)
}

/** The check's findings, or a failure when it takes longer than `within` ms or throws. */
export async function bounded(
  check: string,
  within: number,
  look: () => Promise<Finding[]> | Finding[],
): Promise<Finding[]> {
  const late = Promise.withResolvers<Finding[]>()
  const message = `no result within ${within / 1000} s`
  const timer = setTimeout(() => late.resolve([failure(check, message, 'try again; is it stuck?')]), within)
  const looking = (async () => await look())().catch((err: unknown) => [
    failure(check, reasonOf(err), 'the log of the service may tell more'),
  ])
  return await Promise.race([looking, late.promise]).finally(() => clearTimeout(timer))
}
