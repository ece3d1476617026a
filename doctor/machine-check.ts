import { execFile } from 'node:child_process'
import { access, mkdir, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { relayHttpUrl } from '#services/relay-bridge/checks.ts'
import type { Patient } from './check-context.ts'
import { type Finding, failure, ok, reasonOf, warning } from './check-result.ts'

/** MiB free: the outbox holds 64, photos 200. */
const DISK = { scarce: 500, full: 50 }
/** °C. A Raspberry Pi slows down at 80, and more at 85. */
const HEAT = { warm: 75, hot: 84 }
/** Seconds that the clock may be wrong; the relay's `Date` has no fractions. */
const SKEW = { small: 3, large: 60 }

/** Is the clock right? Compared with the relay's where that answers. */
export async function checkClock({ config }: Patient): Promise<Finding[]> {
  const synchronised = await exists('/run/systemd/timesync/synchronized')
  const source = synchronised ? 'synchronised by NTP' : 'no word of NTP'
  const advice = 'connect to a network with NTP, or set the clock: timedatectl set-ntp true'
  const skew = config.cloud?.enabled ? await relaySkew(config.cloud.relay_url) : undefined
  if (skew === undefined) {
    if (synchronised) return [ok('clock', `${new Date().toISOString()}, ${source}`)]
    return [warning('clock', `${new Date().toISOString()}, ${source}, and no relay to compare with`, advice)]
  }
  const found = `${skew.toFixed(1)} s from the relay's, ${source}`
  const distance = Math.abs(skew)
  if (distance <= SKEW.small) return [ok('clock', found)]
  return [(distance > SKEW.large ? failure : warning)('clock', found, advice)]
}

/** Seconds that we are ahead of the relay; undefined when it does not tell. */
async function relaySkew(address: string): Promise<number | undefined> {
  try {
    const url = relayHttpUrl(address, '/health')
    const began = Date.now()
    const response = await fetch(url, { signal: AbortSignal.timeout(4_000), redirect: 'error' })
    await response.body?.cancel()
    const date = Date.parse(response.headers.get('date') ?? '')
    if (Number.isNaN(date)) return undefined
    // the second that it names has half passed, on average
    return ((began + Date.now()) / 2 - (date + 500)) / 1000
  } catch {
    return undefined // told by the relay's own checks
  }
}

/** Is there room where the outbox and photos live, and may we write there? */
export async function checkDisk({ config }: Patient): Promise<Finding[]> {
  const folder = config.data_dir ?? './data'
  const probe = join(folder, `.doctor-${process.pid}`)
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(probe, 'x').finally(() => rm(probe, { force: true }))
    const { bavail, bsize } = await statfs(folder)
    const free = Math.floor((bavail * bsize) / 2 ** 20)
    const found = `${folder}: ${free} MiB free`
    if (free >= DISK.scarce) return [ok('disk', found)]
    return [(free < DISK.full ? failure : warning)('disk', found, 'delete what is not needed')]
  } catch (err) {
    return [failure('disk', `${folder}: ${reasonOf(err)}`, adviceOn(err))]
  }
}

/** What to do when a file cannot be written for this reason. */
export function adviceOn(err: unknown): string {
  const { code } = err as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return 'delete what is not needed (df -h, df -i), or a larger card'
  if (code === 'EROFS')
    return 'mounted read-only: a card that is worn out turns so (dmesg), or data_dir is wrong'
  return 'data_dir must be a folder that we may write to: its owner and rights'
}

/** The hottest sensor, and whether the machine slows itself down. */
export async function checkHeat(root = '/sys'): Promise<Finding[]> {
  const zones = await readdir(`${root}/class/thermal`).catch(() => [])
  const readings = await Promise.all(
    zones
      .filter((name) => name.startsWith('thermal_zone'))
      .map((name) => readFile(`${root}/class/thermal/${name}/temp`, 'utf8').catch(() => '')),
  )
  const hottest = Math.max(...readings.filter((text) => text.trim()).map((text) => Number(text) / 1000))
  return [judgeHeat(hottest), judgeThrottling(await throttled(root))]
}

function judgeHeat(celsius: number): Finding {
  if (!Number.isFinite(celsius)) return ok('temperature', 'this machine has no sensor that we can read')
  const found = `${celsius.toFixed(0)} °C`
  if (celsius < HEAT.warm) return ok('temperature', found)
  return (celsius >= HEAT.hot ? failure : warning)('temperature', found, 'cool it: fan, heat sink, shade')
}

/** Bits of the firmware's `get_throttled`: now, and (16 higher) since the start. */
const REASONS = ['voltage too low', 'clock capped', 'slowed down', 'soft limit of temperature']

/** `flags` as the firmware of a Raspberry Pi tells them; undefined on any other machine. */
export function judgeThrottling(flags: number | undefined): Finding {
  const check = 'throttling'
  if (flags === undefined) return ok(check, 'this machine does not tell (no vcgencmd)')
  const named = (shift: number) => REASONS.filter((_, i) => (flags >> (shift + i)) & 1).join(', ')
  const advice = 'a power supply of 5 V and 5 A, and cooling'
  if (named(0)) return failure(check, `now: ${named(0)}`, advice)
  if (named(16)) return warning(check, `since the start: ${named(16)}`, advice)
  return ok(check, 'never since the start')
}

async function throttled(root: string): Promise<number | undefined> {
  const file = `${root}/devices/platform/soc/soc:firmware/get_throttled`
  const fromFile = await readFile(file, 'utf8').catch(() => '')
  if (fromFile.trim()) return Number.parseInt(fromFile, 16)
  try {
    const { stdout } = await promisify(execFile)('vcgencmd', ['get_throttled'], { timeout: 2_000 })
    const [, flags] = /throttled=(0x[0-9a-f]+)/i.exec(stdout) ?? []
    return flags === undefined ? undefined : Number.parseInt(flags, 16)
  } catch {
    return undefined // no Raspberry Pi
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
