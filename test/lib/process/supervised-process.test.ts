import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { SupervisedProcess } from '#lib/process/supervised-process.ts'
import { PROJECT_ROOT } from '#lib/version.ts'

for (const how of ['loop', 'none']) {
  test(`a child that hangs (${how === 'loop' ? 'endless loop' : 'SIGSTOP'}) is killed and restarted`, async (t) => {
    const logged: Record<string, unknown>[] = []
    const log = createLogger('supervisor', { write: (line) => void logged.push(JSON.parse(line)) })
    log.level = 'debug'
    const child = new SupervisedProcess({
      name: 'child',
      args: [join(PROJECT_ROOT, 'test/lib/process/hanging-child.ts'), how],
      log,
      aliveTimeoutMs: 6_000,
      onLine() {},
      onBadConfig() {},
    })
    t.after(() => child.stop(0))
    const starts = () => logged.filter(({ msg }) => msg === 'child started').length
    if (how === 'none') {
      await child.ready
      child.signal('SIGSTOP')
    }
    await until(() => starts() >= 2, { deadline: 40_000, show: () => logged })
    assert.ok(logged.some(({ msg }) => msg === 'child hangs, killing it'))
    assert.ok(logged.some(({ signal }) => signal === 'SIGKILL'))
  })
}
