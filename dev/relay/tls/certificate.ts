import { X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import { createSecureContext } from 'node:tls'
import { ConfigError } from '#lib/config-error.ts'
import { readConfiguredFile } from '#lib/configured-file.ts'
import { watchFiles } from '#lib/file-watch.ts'
import { outwardInterfaces } from '#lib/local-page/interfaces.ts'
import type { Logger } from '#lib/logger.ts'
import { ensureOwnCertificate } from './own-certificate.ts'

/** Interval of the check whether the own certificate is current: the clock of a robot may be set long after its start. */
const CHECK_INTERVAL_MS = 60_000

/** Certificate and key as PEM, for `tls`. */
export interface CertificatePair {
  cert: string | Buffer
  key: string | Buffer
}

interface CertificateOptions {
  /** Files of the config; without them the relay makes its own certificate. */
  files: { cert: string; key: string } | undefined
  dataDir: string
  /** `wimz-05.local` */
  localName: string
  log: Logger
  /** Another certificate replaces the one that was returned. */
  onChange(pair: CertificatePair): void
}

/** The certificate of the relay, kept current until it is disposed. Throws a ConfigError where there is none that is usable. */
export async function openCertificate(
  options: CertificateOptions,
): Promise<{ pair: CertificatePair } & Disposable> {
  const { files, log } = options
  return files ? openFiles(files, options) : await openOwn(options, log)
}

/** SHA-256 of a certificate, as browsers show it. */
export function fingerprintOf({ cert }: CertificatePair): string {
  return new X509Certificate(cert).fingerprint256
}

function openFiles(
  files: { cert: string; key: string },
  { log, onChange }: CertificateOptions,
): { pair: CertificatePair } & Disposable {
  const pair = readPair(files)
  warnOfEnd(pair, log)
  const watch = watchFiles([files.cert, files.key], () => {
    try {
      const next = readPair(files)
      onChange(next)
      warnOfEnd(next, log)
      log.info({ fingerprint: fingerprintOf(next) }, 'certificate reloaded')
    } catch (err) {
      log.warn({ err }, 'certificate reload failed; keeping the old one')
    }
  })
  return { pair, [Symbol.dispose]: () => watch[Symbol.dispose]() }
}

function readPair({ cert, key }: { cert: string; key: string }): CertificatePair {
  const pair = {
    cert: readConfiguredFile('local_relay.cert', cert),
    key: readConfiguredFile('local_relay.key', key),
  }
  try {
    createSecureContext(pair)
  } catch (err) {
    const reason = err instanceof Error ? err.message : String(err)
    throw new ConfigError(`local_relay.cert and local_relay.key do not fit together: ${reason}`, {
      cause: err,
    })
  }
  return pair
}

function warnOfEnd({ cert }: CertificatePair, log: Logger): void {
  const { validTo } = new X509Certificate(cert)
  if (Date.parse(validTo) < Date.now()) log.warn({ until: validTo }, 'certificate of the relay has expired')
}

async function openOwn(
  { dataDir, localName, onChange }: CertificateOptions,
  log: Logger,
): Promise<{ pair: CertificatePair } & Disposable> {
  const ensure = async () => {
    const { pem, isNew } = await ensureOwnCertificate(dataDir, ownNames(localName))
    const pair = { cert: pem, key: pem }
    if (isNew) log.info({ fingerprint: fingerprintOf(pair) }, 'certificate created')
    return { pair, isNew }
  }
  const { pair } = await ensure().catch((err: Error) => {
    throw new ConfigError(`local_relay: ${err.message}`, { cause: err })
  })
  let hasFailed = false
  const renew = async () => {
    try {
      const next = await ensure()
      if (next.isNew) onChange(next.pair)
      hasFailed = false
    } catch (err) {
      if (!hasFailed) log.warn({ err }, 'certificate not renewed; keeping the old one')
      hasFailed = true
    }
  }
  const timer = setInterval(renew, CHECK_INTERVAL_MS).unref()
  return { pair, [Symbol.dispose]: () => clearInterval(timer) }
}

/** Names and addresses under which clients in the local network reach this machine. */
function ownNames(localName: string): string[] {
  const addresses = outwardInterfaces().map(({ address }) => address)
  const host = hostname().toLowerCase()
  const names = /^[a-z0-9.-]{1,200}$/.test(host)
    ? [host, ...(host.includes('.') ? [] : [`${host}.local`])]
    : []
  return [...new Set([localName, ...names, 'localhost', '127.0.0.1', '::1', ...addresses])]
}
