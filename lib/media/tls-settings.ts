import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { UnavailableError } from '../unavailable-error.ts'

/** How the certificate of a camera is verified. */
export interface TlsSettings {
  /** PEM file of further certificate authorities. */
  ca?: string | undefined
  /** Accepts any certificate. */
  tls_insecure?: boolean | undefined
}

/** The certificate authorities of Node and those of the file. Rejects with {@link UnavailableError} when it cannot be read. */
export async function authorities({ ca }: TlsSettings): Promise<string[]> {
  if (ca === undefined) return [...rootCertificates]
  const own = await readFile(ca, 'utf8').catch((err: NodeJS.ErrnoException) => {
    throw new UnavailableError(`source.ca: cannot read ${ca}: ${err.code}`)
  })
  return [...rootCertificates, own]
}

/** Why a connection failed, without the address. */
export function reasonOf(err: Error & { code?: string }): string {
  const { code = '' } = err
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code)) {
    return `certificate not trusted (${code}): set source.ca`
  }
  return code === 'ABORT_ERR' ? 'aborted' : (code || err.message).slice(0, 80)
}
