import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Sends `signal` to a child process that still runs, and resolves when it has exited. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
