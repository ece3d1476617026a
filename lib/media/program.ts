import { type ChildProcessByStdio, type StdioOptions, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { raiseSession } from '#lib/process/priority.ts'
import { UnavailableError } from '#lib/unavailable-error.ts'

/** From the end of its output, a program has this long to exit by itself. */
const EXIT_MS = 500
/** Time from SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 1_000
const MAX_STDERR_CHARS = 2_000
/** Larger than what the kernel holds of a stream between processes. */
const READ_BYTES = 256 * 1024

/** Where a byte stream is read to. */
export interface ByteSink {
  /** Memory for the next bytes. */
  space(): Buffer
  /** So many bytes have arrived there. No more follow until the promise resolves, if it returns one. */
  wrote(bytes: number): Promise<void> | void
}

/** Passes the bytes to `read` in chunks, each valid until `read` resolves. */
export function inChunks(read: (chunk: Buffer) => Promise<void>): ByteSink {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
  return { space: () => buffer, wrote: (bytes) => read(buffer.subarray(0, bytes)) }
}

/**
 * Runs a program and reads its output to `sink`. Ends the program and its children when the signal is aborted or the sink
 * fails. Rejects with {@link UnavailableError} when it cannot be started or fails.
 */
export async function runProgram(
  command: readonly string[],
  signal: AbortSignal,
  sink: ByteSink,
  /** Reads the program's descriptor 3. */
  readThird?: (chunk: Buffer) => void,
): Promise<void> {
  const [file = '', ...args] = command
  // its own process group, so that the children of a shell end too
  const output = await openOutput(sink)
  const stdio: StdioOptions = ['ignore', output.far, 'pipe', ...(readThird ? ['pipe' as const] : [])]
  const child = spawn(file, args, { stdio, detached: true }) as ChildProcessByStdio<null, null, Readable>
  raiseSession(child.pid)
  output.far.destroy() // the program has its own
  const third = child.stdio[3]
  if (readThird) third?.on('data', readThird).on('error', () => {}) // ends with the program
  const closed = once(child, 'close').then(
    ([code, by]: (number | string | null)[]) => ({ code, by }),
    (err: unknown) => ({ err }),
  )
  const stderr = keepTail(child.stderr)
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    killGroup(child, 'SIGTERM')
    timer ??= setTimeout(() => {
      killGroup(child, 'SIGKILL')
      // a child that left the group may hold the pipe
      output.near.destroy()
      third?.destroy()
      child.stderr.destroy()
    }, KILL_AFTER_MS)
  }
  signal.addEventListener('abort', end)
  try {
    if (signal.aborted) end()
    await output.ended
    // a signal that overtakes its exit would replace the program's own reason
    await Promise.race([closed, sleep(EXIT_MS, undefined, { ref: false })])
  } catch (err) {
    if (!signal.aborted) throw err
  } finally {
    signal.removeEventListener('abort', end)
    end()
    await closed
    clearTimeout(timer)
    output.near.destroy()
  }
  const ending = await closed
  if (signal.aborted) return
  if ('err' in ending) throw new UnavailableError(`cannot run ${file}: ${messageOf(ending.err)}`)
  const how = ending.by ? `was killed by ${ending.by}` : `exited with code ${ending.code}`
  throw new UnavailableError(`${file} ${how} ${stderr()}`.trimEnd())
}

interface Output {
  /** Where the program writes, and where it is read. */
  far: Socket
  near: Socket
  /** Resolves at the end of the output; rejects as the sink does. */
  ended: Promise<void>
}

/**
 * A stream between processes that is read into the memory of the sink. The `stdout` of a child process has a new buffer for
 * each read, and V8 collects them: 6 % of a core with raw video of 720p.
 */
async function openOutput(sink: ByteSink): Promise<Output> {
  const name = `wimz-${randomBytes(16).toString('hex')}`
  // Linux has names outside of the file system
  const path = process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name)
  const secret = randomBytes(16)
  const accepted = Promise.withResolvers<Socket>()
  const strangers = new Set<Socket>()
  // every user of this machine sees the name and may connect, also before we do
  const server = createServer((socket) => {
    strangers.add(socket)
    socket.on('error', () => {})
    socket.once('data', (first) => {
      if (!secret.equals(first)) return void socket.destroy()
      strangers.delete(socket)
      accepted.resolve(socket.pause())
    })
  })
  await once(server.listen(path), 'listening')
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => {}) // also when it is not awaited any more
  const fail = (err: unknown) => {
    ended.reject(err)
    near.destroy()
  }
  const near = connect({
    path,
    onread: {
      buffer: () => sink.space(),
      callback(bytes) {
        try {
          const isBusy = sink.wrote(bytes)
          if (!isBusy) return true
          isBusy.then(() => void near.resume(), fail)
        } catch (err) {
          fail(err)
        }
        return false
      },
    },
  })
  near.on('error', accepted.reject).on('close', () => ended.resolve())
  near.write(secret)
  try {
    return { far: await accepted.promise, near, ended: ended.promise }
  } finally {
    server.close()
    for (const socket of strangers) socket.destroy()
  }
}

function killGroup(child: ChildProcessByStdio<null, null, Readable>, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // the process has exited
  }
}

/** The last line of stderr. */
function keepTail(stderr: Readable): () => string {
  let tail = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-MAX_STDERR_CHARS)
  })
  return () => tail.trim().split('\n').at(-1) ?? ''
}

function messageOf(err: unknown): string {
  const code = (err as NodeJS.ErrnoException).code
  return code === 'ENOENT' ? 'not found' : String(code ?? err)
}
