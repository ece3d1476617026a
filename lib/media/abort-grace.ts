/** Time for a source to stop after an abort; a read that hangs in the kernel cannot. */
const ABORT_GRACE_MS = 500

/** False when the capture is still running {@link ABORT_GRACE_MS} after the abort. Rejects as the capture does. */
export async function endsWithinGrace(capturing: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    timer = setTimeout(() => late.resolve(false), ABORT_GRACE_MS)
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
