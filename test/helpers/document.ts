import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'

/** A shell block of a document that says which test runs it. */
interface ShellBlock {
  /** The heading above it. */
  heading: string
  script: string
}

/** The shell blocks of a document that are marked with `<!-- tested: <test> -->`, in order. */
export function shellBlocks(document: string, test: string): ShellBlock[] {
  const blocks: ShellBlock[] = []
  let heading = ''
  const text = readFileSync(join(PROJECT_ROOT, document), 'utf8')
  const parts = text.matchAll(/^#+ (.*)$|^<!-- tested: (\S+) -->\n```sh\n([\s\S]*?)^```$/gm)
  for (const [, title, where, script] of parts) {
    if (title !== undefined) heading = title
    else if (where === test && script !== undefined) blocks.push({ heading, script })
  }
  return blocks
}

/** A folder that looks like the project, where scripts may write; `own` names what is not linked. */
export function projectAt(folder: string, own: readonly string[] = ['configs', 'data']): void {
  for (const name of readdirSync(PROJECT_ROOT)) {
    if (!own.includes(name) && !name.startsWith('.'))
      symlinkSync(join(PROJECT_ROOT, name), join(folder, name))
  }
  for (const name of own) mkdirSync(join(folder, name), { recursive: true })
}

/**
 * Runs a script as pasted into bash; the first command that fails ends it. After `within` ms
 * everything that it started is ended, and so it is when all of `until` are in its output.
 */
export async function runScript(
  script: string,
  { cwd, input = '', env = process.env, within = 60_000, until = [], ending }: RunOptions,
): Promise<{ code: number | null; output: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd, env, detached: true })
  const end = () => {
    if (child.pid && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
  }
  const timer = setTimeout(end, within)
  ending?.addEventListener('abort', end)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output = `${output}${text}`.slice(-1_000_000)
      if (until.length > 0 && until.every((pattern) => pattern.test(output))) end()
    })
  }
  child.stdin.on('error', () => {}) // a script that is over without having read it
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  clearTimeout(timer)
  return { code, output }
}

interface RunOptions {
  cwd: string
  input?: string
  env?: NodeJS.ProcessEnv
  /** Milliseconds. */
  within?: number
  until?: readonly RegExp[]
  /** Ends it. */
  ending?: AbortSignal
}
