import { type ChildProcessByStdio, type StdioOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { UnavailableError } from '#lib/unavailable-error.ts'

/** What a program gets to end by itself after SIGTERM. Milliseconds. */
const END_DEADLINE = 1_000
/** Bytes of its complaints that are kept. */
const MOST_STDERR = 2_000

/**
 * Runs a program and hands its output to `read`, which may be slow: the program waits then. Ends the program and what
 * it started when the signal is aborted or `read` has ended. Rejects with {@link UnavailableError} when it cannot be
 * started or fails.
 */
export async function runProgram(
  command: readonly string[],
  signal: AbortSignal,
  read: (chunk: Buffer) => Promise<void>,
  /** Takes what the program writes to its descriptor 3. */
  readThird?: (chunk: Buffer) => void,
): Promise<void> {
  const [file = '', ...args] = command
  // a process group of its own, so that what a shell started ends, too
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
      // somebody who left the group may hold the pipe
      child.stdout.destroy()
      third?.destroy()
      child.stderr.destroy()
    }, END_DEADLINE)
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
  const how = ending.by ? `was ended by ${ending.by}` : `ended with code ${ending.code}`
  throw new UnavailableError(`${file} ${how} ${stderr()}`.trimEnd())
}

function killGroup(child: ChildProcessByStdio<null, Readable, Readable>, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // it has ended already
  }
}

/** The last line that the program complained with. */
function keepTail(stderr: Readable): () => string {
  let tail = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-MOST_STDERR)
  })
  return () => tail.trim().split('\n').at(-1) ?? ''
}

function messageOf(err: unknown): string {
  const code = (err as NodeJS.ErrnoException).code
  return code === 'ENOENT' ? 'not found' : String(code ?? err)
}
