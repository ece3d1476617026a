import { webcrypto, X509Certificate } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { adviceOn, createFolder } from '#lib/process/disk.ts'

const DAY_MS = 86_400_000
/** Apple's systems accept no longer one that a user trusts. */
const LIFETIME_DAYS = 820
/** Time before the end at which another one is made. */
const RENEW_DAYS = 30
/** The clock of another machine may be slow. */
const BACKDATE_MS = DAY_MS
/** Names of a certificate; those of an earlier one are kept, so that a robot that returns to a network needs no other. */
const MAX_NAMES = 32
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** PEM text of certificate and key, in one file: they are replaced together. */
export function ownCertificatePath(dataDir: string): string {
  return join(dataDir, 'relay', 'https.pem')
}

/**
 * The relay's own certificate with its key, as PEM: the one in `data_dir`, or a new one where there is none, it ends within
 * 30 days, or lacks one of these names and IP addresses. Readable by this user only. Throws where it cannot be written.
 */
export async function ensureOwnCertificate(
  dataDir: string,
  wanted: readonly string[],
  now = Date.now(),
): Promise<{ pem: string; isNew: boolean }> {
  const path = ownCertificatePath(dataDir)
  const names = wanted.slice(0, MAX_NAMES)
  const existing = read(path)
  if (existing && isCurrent(existing.certificate, names, now)) return { pem: existing.pem, isNew: false }
  const kept = existing ? namesOf(existing.certificate).filter((name) => !names.includes(name)) : []
  const pem = await create([...names, ...kept].slice(0, MAX_NAMES), now)
  write(path, pem)
  return { pem, isNew: true }
}

/** Names and IP addresses of a certificate. */
function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').flatMap((one) => one.replace(/^(DNS|IP Address):/, '') || [])
}

function isCurrent(certificate: X509Certificate, names: readonly string[], now: number): boolean {
  const isInTime =
    Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo) - RENEW_DAYS * DAY_MS
  const missing = names.filter((name) =>
    isIP(name) ? certificate.checkIP(name) === undefined : certificate.checkHost(name) === undefined,
  )
  return isInTime && missing.length === 0
}

function read(path: string): { pem: string; certificate: X509Certificate } | undefined {
  try {
    const pem = readFileSync(path, 'utf8')
    return { pem, certificate: new X509Certificate(pem) }
  } catch {
    return undefined // there is none, or it is damaged: another one is made
  }
}

/** Temp file, fsync, rename. */
function write(path: string, pem: string): void {
  const draft = `${path}.new`
  try {
    createFolder(join(path, '..'))
    rmSync(draft, { force: true }) // its mode may be another
    writeFileSync(draft, pem, { mode: 0o600, flush: true })
    renameSync(draft, path)
  } catch (err) {
    throw new Error(`cannot create ${path}: ${adviceOn(err)}`, { cause: err })
  }
}

async function create(names: readonly string[], now: number): Promise<string> {
  // needed once in two years, so not loaded before
  const x509 = await import('@peculiar/x509')
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: ['WIM-Z robot'] }],
      notBefore: new Date(now - BACKDATE_MS),
      notAfter: new Date(now + LIFETIME_DAYS * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys: keys as never, // the library's types are those of browsers
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
        ),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      ],
    },
    webcrypto as never,
  )
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  const lines = key.match(/.{1,64}/g) ?? []
  return [
    certificate.toString('pem'),
    '-----BEGIN PRIVATE KEY-----',
    ...lines,
    '-----END PRIVATE KEY-----',
    '',
  ].join('\n')
}
