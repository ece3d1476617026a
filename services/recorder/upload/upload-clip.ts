import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { relayHttp } from '#lib/http/relay-address.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'
import { postFile } from './post-file.ts'

/** The app stops waiting 45 s after the end of the recording. */
const WINDOW_MS = 30_000
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 4_000
/** Limit of the relay. */
export const MAX_UPLOAD_BYTES = 100 * 1_000_000
const MAX_ANSWER_CHARS = 64 * 1024

/** What the relay answers; the address is relative to it. */
const Answer = z.looseObject({ download_url: z.string().min(1).max(2_048) })

interface Upload {
  /** The relay's WebSocket. */
  relay: URL
  deviceId: string
  path: string
  filename: string
  /** Shorter in tests, ms. */
  window?: number | undefined
}

/**
 * Uploads a file to the relay, retried for 30 s. Resolves with the address for apps. Rejects with an UnavailableError that says why, for
 * a person.
 */
export async function uploadClip({ window = WINDOW_MS, ...upload }: Upload): Promise<string> {
  const signal = AbortSignal.timeout(window)
  let problem = `no answer within ${Math.round(window / 1_000)} s`
  for (let wait = FIRST_RETRY_MS; ; wait = Math.min(MAX_RETRY_MS, wait * 2)) {
    const attempt = await post(upload, signal)
    if ('address' in attempt) return attempt.address
    // the timeout itself is no reason; the one before it is
    if (!signal.aborted) problem = attempt.problem
    if (!attempt.isTemporary) break
    const isOver = await sleep(wait, false, { signal }).catch(() => true)
    if (isOver) break
  }
  throw new UnavailableError(`upload to the relay failed: ${problem}`)
}

type Attempt = { address: string } | { problem: string; isTemporary: boolean }

async function post(upload: Upload, signal: AbortSignal): Promise<Attempt> {
  const { relay, deviceId, path, filename } = upload
  try {
    const { status, text } = await postFile(relayHttp(relay, '/api/media/upload'), {
      ...{ path, filename, type: 'video/mp4', fields: { device_id: deviceId } },
      ...{ signal, maxChars: MAX_ANSWER_CHARS },
    })
    if (status < 200 || status > 299) return { problem: `HTTP ${status}`, isTemporary: isTemporary(status) }
    return { address: Answer.parse(JSON.parse(text)).download_url }
  } catch (err) {
    if (err instanceof SyntaxError || err instanceof z.ZodError) {
      return { problem: 'its answer is not that of a relay', isTemporary: false }
    }
    return { problem: reasonOf(err), isTemporary: true }
  }
}

function isTemporary(status: number): boolean {
  return status >= 500 || status === 408 || status === 429
}

function reasonOf(err: unknown): string {
  return err instanceof Error ? ((err as NodeJS.ErrnoException).code ?? err.message) : String(err)
}
