import { type ChildProcessByStdio, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { UnavailableError } from '#lib/unavailable-error.ts'

/** Time from SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 1_000
const MAX_STDERR_CHARS = 2_000

/**
 * Runs a program and passes its output to `read`, with backpressure. Ends the program and its children when the signal is
 * aborted or `read` rejects. Rejects with {@link UnavailableError} when it cannot be started or fails.
 */
export async function runProgram(
  command: readonly string[],
  signal: AbortSignal,
  read: (chunk: Buffer) => Promise<void>,
  /** Reads the program's descriptor 3. */
  readThird?: (chunk: Buffer) => void,
): Promise<void> {
  const [file = '', ...args] = command
  // its own process group, so that the children of a shell end too
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...(readThird ? ['pipe' as const] : [])]
  const child = spawn(file, args, { stdio, detached: true }) as ChildProcessByStdio<null, Readable, Readable>
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
      child.stdout.destroy()
      third?.destroy()
      child.stderr.destroy()
    }, KILL_AFTER_MS)
  }
  signal.addEventListener('abort', end)
  try {
    if (signal.aborted) end()
    for await (const chunk of child.stdout) await read(chunk)
  } catch (err) {
    if (!signal.aborted) throw err
  } finally {
    signal.removeEventListener('abort', end)
    end()
    await closed
    clearTimeout(timer)
  }
  const ending = await closed
  if (signal.aborted) return
  if ('err' in ending) throw new UnavailableError(`cannot run ${file}: ${messageOf(ending.err)}`)
  const how = ending.by ? `was killed by ${ending.by}` : `exited with code ${ending.code}`
  throw new UnavailableError(`${file} ${how} ${stderr()}`.trimEnd())
}

function killGroup(child: ChildProcessByStdio<null, Readable, Readable>, signal: NodeJS.Signals): void {
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
