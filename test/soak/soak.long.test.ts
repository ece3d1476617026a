import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { rounds } from '#test/helpers/volume.ts'

test('under ordinary use no event is lost, each command is answered, and nothing is logged as an error', async (t) => {
  await using out = await mkdtempDisposable(join(tmpdir(), 'wimz-soak-'))
  const minutes = rounds({ merge: 1, night: 10 })
  // the limit of a freeze is for a machine that does nothing else
  const args = ['--minutes', `${minutes}`, '--max-gap', '20000', '--out', out.path]
  const soak = spawn(process.execPath, ['test/soak/main.ts', ...args], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => soak.kill())
  const exited = once(soak, 'exit')
  const output = await text(soak.stdout)
  for (const line of output.trim().split('\n')) t.diagnostic(line)
  const [code] = await exited
  assert.equal(code, 0, output)
  const [header, ...rows] = readFileSync(join(out.path, 'soak.csv'), 'utf8').trim().split('\n')
  assert.ok(header?.startsWith('seconds,process,rss_mib,pss_mib,descriptors'))
  assert.ok(rows.length >= minutes * 6 * 5, `${rows.length} rows`)
  assert.match(readFileSync(join(out.path, 'soak.svg'), 'utf8'), /Memory \(PSS\).*vision/s)
})
