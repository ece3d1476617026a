import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { PROJECT_ROOT } from '#lib/version.ts'

interface Output {
  ok: boolean
  findings: { check: string; status: 'ok' | 'warning' | 'failure'; message: string; advice?: string }[]
}

/** Runs the doctor from the command line; the output of `--json` is parsed. */
export async function runDoctor(
  config: string,
  args: string[] = ['--json'],
  env: Record<string, string> = {},
): Promise<{ code: number | null; output: string; report: Output }> {
  const { promise, resolve } = Promise.withResolvers<{
    code: number | null
    stdout: string
    stderr: string
  }>()
  const child = execFile(
    process.execPath,
    ['doctor', '--config', config, ...args],
    { cwd: PROJECT_ROOT, env: { ...process.env, RELAY_URL: '', ...env }, timeout: 240_000 },
    (_err, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
  )
  const { code, stdout, stderr } = await promise
  const report = args.includes('--json') ? JSON.parse(stdout) : { ok: false, findings: [] }
  return { code, output: stdout + stderr, report }
}

/** Writes a config file of these sections and returns its path. */
export function writeConfig(folder: string, sections: object): string {
  const path = join(folder, 'robot.yaml')
  writeFileSync(path, stringify(sections))
  return path
}

export function statusOf({ findings }: Output, check: string): string | undefined {
  return findings.find((finding) => finding.check === check)?.status
}
