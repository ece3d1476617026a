import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'

/** As a service runs where it may: video and stop commands before whatever else runs on the robot. As a sound server does. */
const NICENESS = -10

/**
 * Raises the priority of this process, where that is permitted (root, CAP_SYS_NICE, RLIMIT_NICE); one that the operator has chosen
 * stays. Linux shares the CPU between sessions before it looks at processes, so the session gets the same: sched(7), "The autogroup
 * feature". No effect elsewhere.
 */
export function raisePriority(): void {
  try {
    const chosen = getPriority()
    const niceness = chosen === 0 ? NICENESS : chosen
    if (chosen === 0) {
      // kept by thread, and inherited by those that start later: setpriority(2), "C library/kernel differences"
      for (const tid of readdirSync('/proc/self/task')) setPriority(Number(tid), niceness)
    }
    // a session that others lead keeps its share
    if (session() === process.pid) writeFileSync('/proc/self/autogroup', String(niceness))
  } catch {
    // not permitted, or not Linux
  }
}

/** Gives a program that was started `detached`, and so leads a session, the share of a process of our priority. */
export function raiseSession(pid: number | undefined): void {
  const niceness = getPriority()
  if (pid === undefined || niceness >= 0) return
  try {
    writeFileSync(`/proc/${pid}/autogroup`, String(niceness))
  } catch {
    // not permitted, not Linux, or it has ended
  }
}

/** Id of the session of this process: proc_pid_stat(5), field 6. */
function session(): number {
  const [, fields = ''] = readFileSync('/proc/self/stat', 'utf8').split(') ')
  return Number(fields.split(' ')[3])
}
