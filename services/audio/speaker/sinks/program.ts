import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { raiseSession } from '#lib/process/priority.ts'
import type { OpenSink } from './sink.ts'

/** What the program has not read: 100 ms. The kernel holds more. */
const MAX_BACKLOG_BYTES = 9_600
/** Time to play the rest after the end of the input, then to SIGKILL. */
const DRAIN_MS = 800
const KILL_AFTER_MS = 700
const MAX_STDERR_CHARS = 500

/** A program that reads signed 16-bit little-endian samples (48 kHz, mono) from its input, and plays them. */
export function openProgram(command: readonly string[]): OpenSink {
  const [file = '', ...args] = command
  return ({ onFailed }) => {
    // its own process group, so that the children of a shell end too
    const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'pipe'], detached: true })
    raiseSession(child.pid)
    let [stderr, closing, failed] = ['', false, false]
    const fail = (reason: string) => {
      if (closing || failed) return
      failed = true
      onFailed(reason)
    }
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR_CHARS)
    })
    child.stderr.on('error', () => {}) // ends with the program
    child.stdin.on('error', () => {}) // EPIPE: its exit says why
    const exited = once(child, 'close').then(
      ([code, signal]) => {
        const how = signal ? `was killed by ${signal}` : `exited with code ${code}`
        fail(`${file} ${how} ${stderr.trim()}`.trimEnd())
      },
      (err: NodeJS.ErrnoException) =>
        fail(`cannot run ${file}: ${err.code === 'ENOENT' ? 'not found' : err.message}`),
    )
    const kill = (signal: NodeJS.Signals) => killGroup(child.pid, signal)
    return {
      write(block) {
        const { stdin } = child
        if (!stdin.writable || stdin.writableLength > MAX_BACKLOG_BYTES) return false
        stdin.write(Buffer.from(new Uint8Array(block.buffer, block.byteOffset, block.byteLength)))
        return true
      },
      async close() {
        closing = true
        child.stdin.end()
        for (const [ms, signal] of [
          [failed ? 0 : DRAIN_MS, 'SIGTERM'],
          [KILL_AFTER_MS, 'SIGKILL'],
        ] as const) {
          const waited = new AbortController()
          const over = sleep(ms, true, { signal: waited.signal }).catch(() => false)
          const late = await Promise.race([exited.then(() => false), over])
          waited.abort()
          if (!late) return kill('SIGKILL') // children that it left
          kill(signal)
        }
        child.stdin.destroy()
        child.stderr.destroy()
      },
    }
  }
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // it has ended
  }
}
