import { randomBytes } from 'node:crypto'
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { adviceOn, createFolder } from './process/disk.ts'

/** Path of the generated password of a user of our broker. */
function passwordPath(dataDir: string, user: string): string {
  return join(dataDir, 'broker', `${user}.password`)
}

/**
 * The password of a user of our broker, generated on the first call, by the broker or by the service. Readable only by
 * the owner of the process. Throws when the folder is not writable or the file not readable.
 */
export function ensurePassword(dataDir: string, user: string): string {
  return ensureSecretFile(passwordPath(dataDir, user))
}

/** The generated secret in a file: one line, base64url. The same rules as for {@link ensurePassword}. */
export function ensureSecretFile(path: string, bytes = 24): string {
  const existing = readPassword(path)
  if (existing !== undefined) return existing
  try {
    create(path, bytes)
  } catch (err) {
    throw new Error(`cannot create ${path}: ${adviceOn(err)}`, { cause: err })
  }
  const secret = readPassword(path)
  if (secret === undefined) throw new Error(`${path}: is empty; remove it, and a new one is generated`)
  return secret
}

function create(path: string, bytes: number): void {
  createFolder(dirname(path))
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    writeFileSync(draft, `${randomBytes(bytes).toString('base64url')}\n`, { mode: 0o600, flush: true })
    // atomic, and fails where another process was faster: link does not replace a file
    linkSync(draft, path)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err
  } finally {
    rmSync(draft, { force: true })
  }
}

/** The password of a user, if it exists. Throws when its file cannot be read. */
export function findPassword(dataDir: string, user: string): string | undefined {
  return readPassword(passwordPath(dataDir, user))
}

function readPassword(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw err
  }
}
