import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'

test('wimz names the verbs of an installed robot that need root, before it does anything', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'wimz-rights-'))
  closeAfter(t, () => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'opt/wimz'), { recursive: true })
  const bin = join(root, 'bin')
  mkdirSync(bin)
  const programs = { id: '[ "$1" = -u ] && echo 1000 || echo owner video', journalctl: 'exit 1' }
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const env = { ...process.env, WIMZ_ROOT: root, PATH: `${bin}:${process.env.PATH}` }
  for (const verb of ['update', 'rollback', 'backup', 'restore', 'doctor', 'logs']) {
    const refused = promisify(execFile)('sh', [join(PROJECT_ROOT, 'deploy/wimz'), verb], { env })
    await assert.rejects(refused, ({ code, stderr }: { code: number; stderr: string }) => {
      assert.equal(code, 77, stderr)
      assert.match(stderr, new RegExp(`^wimz: needs root.*: sudo wimz ${verb}\n$`))
      return true
    })
  }
})
