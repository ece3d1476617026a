import { readdir, readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'

/** What the kernel tells of this machine; null where it does not. */
export interface MachineReadings {
  /** Hottest sensor [°C]. */
  temperature: number | null
  /** Best wireless interface [dBm]. */
  wifi_signal: number | null
  /** Space for an ordinary user [GB]. */
  storage_free: number | null
}

/** Rounded, so that noise makes no new state in Home Assistant. `root`: where `/sys` and `/proc` are. */
export async function readMachine(dataDir: string, root = '/'): Promise<MachineReadings> {
  const [temperature, wifi_signal, storage_free] = await Promise.all([
    hottest(root),
    bestSignal(root),
    freeSpace(dataDir),
  ])
  return { temperature, wifi_signal, storage_free }
}

async function hottest(root: string): Promise<number | null> {
  const folder = join(root, 'sys/class/thermal')
  const zones = (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('thermal_zone'))
  const texts = await Promise.all(zones.map((zone) => text(join(folder, zone, 'temp'))))
  return greatest(texts.filter((one) => one.trim() !== '').map((one) => Math.round(Number(one) / 1_000)))
}

/** proc(5): the fourth column of /proc/net/wireless is the signal level, in dBm where it is negative. */
async function bestSignal(root: string): Promise<number | null> {
  const lines = (await text(join(root, 'proc/net/wireless')))
    .split('\n')
    .filter((line) => line.includes(': '))
  return greatest(lines.map((line) => Number(line.trim().split(/\s+/)[3])).filter((dbm) => dbm < 0))
}

async function freeSpace(folder: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(folder)
    return Math.round((bavail * bsize) / 1e8) / 10
  } catch {
    return null // not created yet
  }
}

function greatest(values: number[]): number | null {
  const known = values.filter(Number.isFinite)
  return known.length === 0 ? null : Math.max(...known)
}

function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
