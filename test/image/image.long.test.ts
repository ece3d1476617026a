import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { withoutNamespaces } from '#test/helpers/netns.ts'
import { without } from '#test/helpers/tools.ts'
import { parseDockerfile } from './dockerfile.ts'
import { build, type Image } from './rehearsal.ts'

const execute = promisify(execFile)
const skip = without('debootstrap') || withoutNamespaces()
const UID = '1000'

interface ComposeService {
  command: string[]
  environment?: Record<string, string>
  healthcheck?: { test?: string[] }
}

// there is no Docker where this runs: the Dockerfile's own lines, in a Debian root (3 minutes)
test('the image as the Dockerfile makes it runs the four services, read-only and without rights', {
  skip,
  timeout: 900_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wimz-image-'))
  closeAfter(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  const image = build(parseDockerfile(readFileSync(join(PROJECT_ROOT, 'Dockerfile'), 'utf8')), folder)
  assert.equal(image.user, 'robot')

  const inside = await container(t, image, folder)
  const file = readFileSync(join(PROJECT_ROOT, 'compose.yaml'), 'utf8')
  const { services } = parse(file, { merge: true }) as { services: Record<string, ComposeService> }
  const running: ChildProcess[] = []
  for (const [name, service] of Object.entries(services)) {
    if (!service.healthcheck?.test || name === 'local-relay') continue // the doctor, below; switched off
    const environment = { ...service.environment, WIMZ_HEARTBEAT: `/tmp/heartbeat-${name}` }
    const child = spawn('nsenter', inside([...image.entrypoint, ...service.command], environment), {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    closeAfter(t, () => child.kill('SIGKILL'))
    running.push(child)
    await healthy(name, inside(service.healthcheck.test.slice(1), environment))
  }
  const { doctor } = services
  assert.ok(doctor)
  const looking = execute(
    'nsenter',
    inside([...image.entrypoint, ...doctor.command, '--json'], doctor.environment),
  )
  // there is no camera, so it exits 1
  const { stdout } = await looking.catch((err: { stdout: string }) => err)
  const { findings } = JSON.parse(stdout) as { findings: { check: string; status: string }[] }
  for (const check of ['config', 'bus', 'model', 'disk']) {
    assert.equal(findings.find((finding) => finding.check === check)?.status, 'ok', stdout)
  }
  const { stdout: mounts } = await execute('nsenter', inside(['cat', '/proc/self/mounts']))
  assert.match(mounts, /^\S+ \/ \S+ ro[, ]/m)
  await assert.rejects(execute('nsenter', inside(['touch', '/app/main.ts'])))
  await execute('nsenter', inside(['touch', '/app/data/ours']))
  for (const child of running.reverse()) {
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await exited, [0, null])
  }
})

/** Namespaces in which the root is read-only; returns how to run a command there as the image's user. */
async function container(t: TestContext, { root, env, workdir }: Image, folder: string) {
  const data = join(folder, 'data')
  await execute('cp', ['-a', join(root, 'app/data'), data]) // as Docker fills a new volume
  const mounts = [
    'ip link set lo up',
    `mount --bind ${root} ${root}`,
    `mount -o remount,bind,ro ${root}`,
    `mount -t proc proc ${root}/proc`,
    `mount -t tmpfs -o mode=1777,size=64m tmpfs ${root}/tmp`,
    `mount --bind ${data} ${root}/app/data`,
  ]
  const script = `${mounts.join(' && ')} && echo mounted && exec sleep infinity`
  const holder = spawn('unshare', ['--mount', '--net', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closeAfter(t, async () => {
    const exited = once(holder, 'exit')
    if (holder.kill('SIGKILL')) await exited
  })
  const [said] = await once(holder.stdout, 'data')
  assert.match(String(said), /mounted/)
  const rights = [
    `--reuid=${UID}`,
    `--regid=${UID}`,
    '--clear-groups',
    '--bounding-set=-all',
    '--no-new-privs',
  ]
  return (command: string[], more: Record<string, string> = {}) => {
    const values = Object.entries({ ...env, ...more }).filter(([, value]) => !value.includes('${'))
    const variables = [
      'PATH=/usr/local/bin:/usr/bin:/bin',
      ...values.map(([name, value]) => `${name}=${value}`),
    ]
    const chroot = [
      'chroot',
      root,
      'setpriv',
      ...rights,
      'env',
      '-i',
      '-C',
      workdir,
      ...variables,
      ...command,
    ]
    return ['-t', `${holder.pid}`, '--mount', '--net', ...chroot]
  }
}

/** Asks as Docker would, for a minute at most. */
async function healthy(name: string, args: string[]): Promise<void> {
  let problem: unknown
  const passes = () =>
    execute('nsenter', args).then(
      () => true,
      (err) => {
        problem = err
        return false
      },
    )
  await until(passes, { deadline: 60_000, every: 1_000, show: () => ({ name, problem }) })
}
