import { execFile } from 'node:child_process'
import { access, readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { adviceOn, createFolder } from '#lib/process/disk.ts'
import { relayHttpUrl } from '#services/relay-bridge/checks.ts'
import type { CheckContext } from './check-context.ts'
import { type CheckResult, failure, ok, reasonOf, warning } from './check-result.ts'

/** Free space (MiB); the outbox takes up to 64, photos 200. */
const FREE_MIB = { warning: 500, failure: 50 }
/** °C. A Raspberry Pi throttles at 80, and more at 85. */
const TEMPERATURE = { warning: 75, failure: 84 }
/** Clock error (s); the relay's `Date` header has no fractions. */
const SKEW = { warning: 3, failure: 60 }

/** Whether the clock is right, compared with the relay's where that is reachable. */
export async function checkClock({ config }: CheckContext): Promise<CheckResult[]> {
  const isSynchronized = await exists('/run/systemd/timesync/synchronized')
  const source = isSynchronized ? 'synchronized by NTP' : 'NTP state unknown'
  const advice = 'connect to a network with NTP, or set the clock: timedatectl set-ntp true'
  const skew = config.cloud?.enabled ? await relaySkew(config.cloud.relay_url) : undefined
  if (skew === undefined) {
    if (isSynchronized) return [ok('clock', `${new Date().toISOString()}, ${source}`)]
    return [warning('clock', `${new Date().toISOString()}, ${source}, no relay to compare with`, advice)]
  }
  const found = `${skew.toFixed(1)} s from the relay's, ${source}`
  const distance = Math.abs(skew)
  if (distance <= SKEW.warning) return [ok('clock', found)]
  return [(distance > SKEW.failure ? failure : warning)('clock', found, advice)]
}

/** Seconds that this clock is ahead of the relay's; undefined when the relay sends no date. */
async function relaySkew(address: string): Promise<number | undefined> {
  try {
    const url = relayHttpUrl(address, '/health')
    const startedAt = Date.now()
    const response = await fetch(url, { signal: AbortSignal.timeout(4_000), redirect: 'error' })
    await response.body?.cancel()
    const date = Date.parse(response.headers.get('date') ?? '')
    if (Number.isNaN(date)) return undefined
    // the header is rounded down: half a second on average
    return ((startedAt + Date.now()) / 2 - (date + 500)) / 1000
  } catch {
    return undefined // the relay checks report it
  }
}

/** Free space and write access of `data_dir`. */
export async function checkDisk({ config }: CheckContext): Promise<CheckResult[]> {
  const folder = config.data_dir ?? './data'
  const probe = join(folder, `.doctor-${process.pid}`)
  try {
    createFolder(folder)
    await writeFile(probe, 'x').finally(() => rm(probe, { force: true }))
    const { bavail, bsize } = await statfs(folder)
    const free = Math.floor((bavail * bsize) / 2 ** 20)
    const found = `${folder}: ${free} MiB free`
    if (free >= FREE_MIB.warning) return [ok('disk', found)]
    return [(free < FREE_MIB.failure ? failure : warning)('disk', found, 'delete files that are not needed')]
  } catch (err) {
    return [failure('disk', `${folder}: ${reasonOf(err)}`, adviceOn(err))]
  }
}

/**
 * Whether the kernel counts memory by control group. Raspberry Pi OS starts without; the limits of containers and
 * units then have no effect, and Docker only warns.
 */
export async function checkMemoryLimits(root = '/'): Promise<CheckResult[]> {
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => '')
  const [unified, legacy] = await Promise.all([
    read('sys/fs/cgroup/cgroup.controllers'),
    read('proc/cgroups'),
  ])
  const check = 'memory limits'
  if (unified === '' && legacy === '') return [ok(check, 'unknown on this machine')]
  if (/\bmemory\b/.test(unified) || /^memory\s+\d+\s+\d+\s+1$/m.test(legacy)) return [ok(check, 'in effect')]
  const advice = 'append cgroup_enable=memory to the line of /boot/firmware/cmdline.txt, and reboot'
  return [warning(check, 'the kernel runs without the memory control group: no service is limited', advice)]
}

/** Temperature of the hottest sensor, and CPU throttling. */
export async function checkHeat(root = '/sys'): Promise<CheckResult[]> {
  const zones = await readdir(`${root}/class/thermal`).catch(() => [])
  const readings = await Promise.all(
    zones
      .filter((name) => name.startsWith('thermal_zone'))
      .map((name) => readFile(`${root}/class/thermal/${name}/temp`, 'utf8').catch(() => '')),
  )
  const hottest = Math.max(...readings.filter((text) => text.trim()).map((text) => Number(text) / 1000))
  return [judgeHeat(hottest), judgeThrottling(await throttled(root))]
}

function judgeHeat(celsius: number): CheckResult {
  if (!Number.isFinite(celsius)) return ok('temperature', 'no readable sensor on this machine')
  const found = `${celsius.toFixed(0)} °C`
  if (celsius < TEMPERATURE.warning) return ok('temperature', found)
  return (celsius >= TEMPERATURE.failure ? failure : warning)(
    'temperature',
    found,
    'cool it: fan, heat sink, shade',
  )
}

/** Bits of the firmware's `get_throttled`: current state, and (16 higher) since boot. */
const REASONS = ['undervoltage', 'frequency capped', 'throttled', 'soft temperature limit']

/** `flags` of the Raspberry Pi firmware; undefined on other machines. */
export function judgeThrottling(flags: number | undefined): CheckResult {
  const check = 'throttling'
  if (flags === undefined) return ok(check, 'unknown on this machine (no vcgencmd)')
  const named = (shift: number) => REASONS.filter((_, i) => (flags >> (shift + i)) & 1).join(', ')
  const advice = 'a power supply of 5 V and 5 A, and cooling'
  if (named(0)) return failure(check, `now: ${named(0)}`, advice)
  if (named(16)) return warning(check, `since boot: ${named(16)}`, advice)
  return ok(check, 'none since boot')
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
