import { readFileSync } from 'node:fs'

/** Clock ticks a second of `/proc/<pid>/stat`; 100 on every Linux that we run on. */
const TICKS = 100

interface Usage {
  at: number
  cpuSeconds: number
}

/** CPU time of a process so far. proc(5), fields utime and stime. */
function usage(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { at: performance.now(), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS }
}

/** Resident memory of a process in MiB. */
export function rss(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}

/** Proportional memory of a process in MiB: pages that several processes share count in parts, so that a sum is right. */
export function pss(pid: number): number {
  const [, kib] = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
  return Number(kib) / 1024
}

/** Mean CPU of each process while `during` runs, in percent of one core. */
export async function cpuOf(
  pids: ReadonlyMap<string, number>,
  during: () => Promise<unknown>,
): Promise<Map<string, number>> {
  const before = new Map([...pids].map(([name, pid]) => [name, usage(pid)]))
  await during()
  return new Map(
    [...pids].map(([name, pid]) => {
      const [start, end] = [before.get(name), usage(pid)]
      if (!start) return [name, Number.NaN]
      return [name, ((end.cpuSeconds - start.cpuSeconds) * 100_000) / (end.at - start.at)]
    }),
  )
}
