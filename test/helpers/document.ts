import { execFile } from 'node:child_process'
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

/** Runs a script as somebody who pastes it into bash would; the first command that fails ends it. */
export async function runScript(
  script: string,
  {
    cwd,
    input = '',
    env = {},
    within = 60_000,
  }: { cwd: string; input?: string; env?: Record<string, string>; within?: number },
): Promise<{ code: number | null; output: string }> {
  return await new Promise((resolve) => {
    const options = { cwd, timeout: within, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...env } }
    const child = execFile('bash', ['-euo', 'pipefail', '-c', script], options, (_err, stdout, stderr) =>
      resolve({ code: child.exitCode, output: stdout + stderr }),
    )
    child.stdin?.end(input)
  })
}
