import { type ChildProcess, spawn } from 'node:child_process'
import type { Logger } from '../logger.ts'

/** Longer than a heartbeat that is waited for: one that is stuck must not pile others up behind it. */
const MAX_WAITING = 4_096

/** What systemd is told of this process, sd_notify(3). */
export interface Notifier extends AsyncDisposable {
  /** It works: `READY=1`, and from now on `WATCHDOG=1` as long as the event loop turns. */
  ready(): void
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * A notifier for this process; it does nothing when systemd did not start us with Type=notify (no `NOTIFY_SOCKET`).
 *
 * Node has no Unix datagrams, so `systemd-notify` speaks for us. A shell that we start once reads lines and calls it:
 * the fork is the shell's, a millisecond of its own and none of ours, however large we are. The unit needs
 * NotifyAccess=all; since systemd 246 systemd-notify waits until its message was taken, so none is lost with the sender.
 * When we hang no line is written, and when we die the pipe ends: systemd hears nothing in both cases.
 */
export function openNotifier(log: Logger, env: Env = process.env): Notifier {
  if (!env.NOTIFY_SOCKET) return { ready() {}, async [Symbol.asyncDispose]() {} }
  const child = spawn('/bin/sh', ['-c', 'while read -r word; do systemd-notify "$word"; done'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // a Ctrl-C for us is not for it
    env: { PATH: env.PATH ?? '/usr/bin:/bin', NOTIFY_SOCKET: env.NOTIFY_SOCKET },
  })
  const hint = 'systemd hears nothing of us and will start us again: is systemd-notify installed?'
  child.once('error', (err) => log.error({ err }, hint))
  child.stdin?.on('error', (err) => log.warn({ err }, hint))
  child.unref()
  let timer: NodeJS.Timeout | undefined
  return {
    ready() {
      tell(child, 'READY=1')
      const every = heartbeat(env)
      if (every !== undefined) timer ??= setInterval(() => tell(child, 'WATCHDOG=1'), every).unref()
    },
    [Symbol.asyncDispose]() {
      clearInterval(timer)
      return end(child)
    },
  }
}

/** Milliseconds between heartbeats: a third of what the unit allows, so that one may be late (sd_watchdog_enabled(3)). */
function heartbeat({ WATCHDOG_USEC, WATCHDOG_PID }: Env): number | undefined {
  const allowed = Number(WATCHDOG_USEC) / 1000
  if (!(allowed > 0) || (WATCHDOG_PID && Number(WATCHDOG_PID) !== process.pid)) return undefined
  return allowed / 3
}

function tell({ stdin }: ChildProcess, word: string): void {
  if (stdin?.writable && stdin.writableLength < MAX_WAITING) stdin.write(`${word}\n`)
}

/** Says goodbye and waits until it has been said, or the shell is gone. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const giveUp = setTimeout(() => child.kill('SIGKILL'), 1_000)
  tell(child, 'STOPPING=1')
  child.stdin?.end()
  await exited
  clearTimeout(giveUp)
}
