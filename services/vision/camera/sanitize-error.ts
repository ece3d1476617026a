import { hideCredentials } from '#lib/redact.ts'

/** Why a source ended, in one line that may be shown and drawn. */
export function reasonOf(err: unknown): string {
  const text = err instanceof Error ? err.message : String(err)
  return hideCredentials(text)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 200)
}
