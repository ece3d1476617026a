/** What a source gets to end when it is told to; a read that hangs in the system cannot. Milliseconds. */
const GRACE = 500

/** False when it goes on for {@link GRACE} after the signal. Rejects as it does. */
export async function endsInTime(capturing: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    timer = setTimeout(() => late.resolve(false), GRACE)
  }
  if (signal.aborted) begin()
  signal.addEventListener('abort', begin, { once: true })
  try {
    return await Promise.race([capturing.then(() => true), late.promise])
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', begin)
  }
}

/** One printable line. */
