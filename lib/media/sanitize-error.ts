import { hideCredentials } from '#lib/redact.ts'

/** The message of an error as one printable line without credentials: it is published and drawn into the video. */
export function sanitizeError(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err)
  return hideCredentials(text)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 200)
}
