import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'

/** Prints the modules that a process has loaded, when it exits. */
const REPORTER = `
  import { registerHooks } from 'node:module'
  const urls = []
  registerHooks({
    load(url, context, nextLoad) {
      urls.push(url)
      return nextLoad(url, context)
    },
  })
  process.on('exit', () => console.log('LOADED ' + JSON.stringify([...urls, ...process.moduleLoadList])))`

/** What a service must not load at its start, with what it costs in each process. */
const HEAVY: Record<string, RegExp> = {
  'undici, 4 MiB: import #lib/http/node-http.ts in place of node:http': /deps\/undici/,
  'zod in all languages, 2.3 MiB: import #lib/process/lean-modules.ts first': /zod\/v4\/locales\/(?!en\.)/,
  'OpenTelemetry, 1.7 MiB: import #lib/metrics/prometheus.ts in place of prom-client': /@opentelemetry/,
  'the high-level API of node-av, 7 MiB: import node-av/lib': /node-av\/dist\/api/,
  'Skia, 15 MiB: a package for development': /@napi-rs\/canvas/,
  'pino-pretty: for a terminal': /pino-pretty/,
}

/** The exporter aggregates with prom-client's cluster, which brings the rest along. */
const EXCEPTIONS: Record<string, RegExp> = { 'services/metrics/main.ts': /@opentelemetry/ }

function loadedBy(main: string): string[] {
  // the config is read when all modules are loaded
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(REPORTER)}`,
      main,
      '--config',
      '/nonexistent.yaml',
    ],
    { cwd: PROJECT_ROOT, encoding: 'utf8', env: { ...process.env, WIMZ_BAD_CONFIG: '' } },
  )
  assert.equal(status, 78, stderr)
  return JSON.parse(/^LOADED (.*)$/m.exec(stdout)?.[1] ?? '[]')
}

const services = readdirSync(join(PROJECT_ROOT, 'services')).map((name) => `services/${name}/main.ts`)
for (const main of ['main.ts', 'broker/main.ts', 'dev/relay/main.ts', ...services]) {
  test(`${main} loads no heavy module that it does not need`, () => {
    const loaded = loadedBy(main)
    assert.ok(loaded.length > 100, 'the modules are reported')
    for (const [what, pattern] of Object.entries(HEAVY)) {
      if (String(EXCEPTIONS[main]) === String(pattern)) continue
      const found = loaded.filter((one) => pattern.test(one))
      assert.deepEqual(found.slice(0, 3), [], what)
    }
  })
}
