import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { freePorts } from '#dev/harness/ports.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

/** Why a test cannot use this program, or false. It is not in Debian: it comes from its releases or from the Go module proxy. */
export function withoutProgram(name: string): string | false {
  const { error } = spawnSync(name, ['--version'], { stdio: 'ignore' })
  return error ? `needs ${name} in PATH` : without('ffmpeg')
}

/** Runs a program until the end of the test. */
export function run(t: TestContext, program: string, args: string[], env: Record<string, string> = {}) {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  closeAfter(t, () => child.kill('SIGKILL'))
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface(stream).on('line', (line) => lines.push(line))
  return { child, lines }
}

/** go2rtc with configs/go2rtc.yaml before the WHEP endpoint of this relay; the address of its stream. */
export async function startGo2rtc(t: TestContext, relayPort: number, token: string) {
  const [rtsp = 0] = await freePorts(1)
  const shipped = readFileSync(join(PROJECT_ROOT, 'configs/go2rtc.yaml'), 'utf8')
  const config = join(temporaryFolder(t), 'go2rtc.yaml')
  writeFileSync(
    config,
    // other ports: this machine may run one
    shipped.replace('127.0.0.1:8080', `127.0.0.1:${relayPort}`).replace('"127.0.0.1:1984"', '""'),
  )
  const env = { PAGE_TOKEN: token, RTSP_LISTEN: `127.0.0.1:${rtsp}`, RTSP_PASSWORD: 'rtsp-test' }
  const { lines } = run(t, 'go2rtc', ['-config', config], env)
  return { url: `rtsp://robot:rtsp-test@127.0.0.1:${rtsp}/robot`, lines }
}
