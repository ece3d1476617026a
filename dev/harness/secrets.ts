/** The secret of every robot in the tests: unmistakable, so that one look finds it in a log line. */
export const TEST_SECRET = 'test-secret-5c1f0e7ab2'

/** Also those of the contract's test vectors, and what tests put into addresses. */
const SECRETS = [TEST_SECRET, 'unit-test-secret', 'demo-only-not-a-secret', 'tok-4d1f77', 'pass-93be20']

/** An HMAC-SHA256 in hex. */
const SIGNATURE = /(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])/i

/** What in this text must never be in a log, or undefined. */
export function secretIn(text: string): string | undefined {
  return SECRETS.find((secret) => text.includes(secret)) ?? SIGNATURE.exec(text)?.[0]
}

/** Ends the test run when a log line of the product contains a secret. */
export function refuseSecrets(line: string): void {
  const secret = secretIn(line)
  if (secret === undefined) return
  const error = new Error(`a log line contains a secret: ${line.replaceAll(secret, '[secret]')}`)
  // not thrown: the logger's caller might catch it
  process.nextTick(() => {
    throw error
  })
}
