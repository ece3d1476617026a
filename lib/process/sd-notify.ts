import { type ChildProcess, spawn } from 'node:child_process'
import type { Logger } from '../logger.ts'
import { throughThreadPool } from './heartbeat.ts'

/** Bytes in the pipe beyond which heartbeats are dropped: a stuck systemd-notify must not let them pile up. */
const MAX_PENDING_BYTES = 4_096

/** State of this process for systemd, sd_notify(3). */
export interface Notifier extends AsyncDisposable {
  /** Sends `READY=1`, and from then on `WATCHDOG=1` as long as event loop and thread pool work. */
  ready(): void
}

type Env = Readonly<Record<string, string | undefined>>

/**
 * A notifier for this process; it does nothing without `NOTIFY_SOCKET` (not started by systemd with Type=notify).
 *
 * Node has no Unix datagram sockets, so `systemd-notify` sends the messages. One shell reads lines from a pipe and calls
 * it: forking the shell takes a millisecond of the shell's time, whatever the size of this process. The unit needs
 * NotifyAccess=all; since systemd 246 systemd-notify waits until its message was processed, so none is lost with the
 * sender. A process that hangs writes no line, and the pipe of one that dies is closed: systemd receives no heartbeat.
 */
export function openNotifier(log: Logger, env: Env = process.env): Notifier {
  if (!env.NOTIFY_SOCKET) return { ready() {}, async [Symbol.asyncDispose]() {} }
  const child = spawn('/bin/sh', ['-c', 'while read -r word; do systemd-notify "$word"; done'], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true, // Ctrl-C must not end it before STOPPING=1 is sent
    env: { PATH: env.PATH ?? '/usr/bin:/bin', NOTIFY_SOCKET: env.NOTIFY_SOCKET },
  })
  const hint = 'systemd gets no heartbeat and will restart this service: is systemd-notify installed?'
  child.once('error', (err) => log.error({ err }, hint))
  child.stdin?.on('error', (err) => log.warn({ err }, hint))
  child.unref()
  let timer: NodeJS.Timeout | undefined
  return {
    ready() {
      send(child, 'READY=1')
      const interval = heartbeatIntervalMs(env)
      if (interval === undefined) return
      timer ??= setInterval(() => throughThreadPool(() => send(child, 'WATCHDOG=1')), interval).unref()
    },
    [Symbol.asyncDispose]() {
      clearInterval(timer)
      return end(child)
    },
  }
}

/** A third of the unit's WatchdogSec, so that one heartbeat may be late (sd_watchdog_enabled(3)). */
function heartbeatIntervalMs({ WATCHDOG_USEC, WATCHDOG_PID }: Env): number | undefined {
  const allowed = Number(WATCHDOG_USEC) / 1000
  if (!(allowed > 0) || (WATCHDOG_PID && Number(WATCHDOG_PID) !== process.pid)) return undefined
  return allowed / 3
}

function send({ stdin }: ChildProcess, word: string): void {
  if (stdin?.writable && stdin.writableLength < MAX_PENDING_BYTES) stdin.write(`${word}\n`)
}

/** Sends `STOPPING=1` and waits until the shell has exited. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const giveUp = setTimeout(() => child.kill('SIGKILL'), 1_000)
  send(child, 'STOPPING=1')
  child.stdin?.end()
  await exited
  clearTimeout(giveUp)
}
