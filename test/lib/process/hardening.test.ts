import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError } from '#lib/config-error.ts'
import { flushCompileCacheSafely, hardenProcess, secureDataDir } from '#lib/process/hardening.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const modeOf = (path: string) => statSync(path).mode & 0o7777

test('data_dir is 0700 and new files are 0600, whatever the umask', (t) => {
  const folder = temporaryFolder(t)
  const script = `
    process.umask(0)
    const { hardenProcess, secureDataDir } = await import('#lib/process/hardening.ts')
    const { mkdirSync, writeFileSync } = await import('node:fs')
    hardenProcess()
    secureDataDir(process.argv[1])
    writeFileSync(process.argv[1] + '/file', 'x')
    mkdirSync(process.argv[1] + '/inner')`
  const data = join(folder, 'data')
  execFileSync(process.execPath, ['--input-type=module', '-e', script, data], { cwd: PROJECT_ROOT })
  assert.deepEqual(
    [modeOf(data), modeOf(join(data, 'file')), modeOf(join(data, 'inner'))],
    [0o700, 0o600, 0o700],
  )
})

test('an existing data_dir is closed for other users, a shared folder is left as it is', (t) => {
  const folder = temporaryFolder(t)
  const [own, shared] = [join(folder, 'own'), join(folder, 'shared')]
  mkdirSync(own)
  chmodSync(own, 0o755)
  mkdirSync(shared)
  chmodSync(shared, 0o1777)
  secureDataDir(own)
  secureDataDir(shared)
  assert.deepEqual([modeOf(own), modeOf(shared)], [0o700, 0o1777])
})

test('a data_dir that can never be a folder is a configuration error at once', (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'file'), '')
  symlinkSync('/proc/self', join(folder, 'link'))
  const errors: [path: string, message: RegExp][] = [
    ['/proc/wimz', /file system of the kernel/],
    ['/proc/wimz/data', /file system of the kernel/],
    ['/proc/self', /file system of the kernel/],
    ['/sys/wimz/data', /file system of the kernel/],
    [join(folder, 'link', 'data'), /file system of the kernel/],
    [join(folder, 'file'), /part of the path is a file/],
    [join(folder, 'file', 'data'), /part of the path is a file/],
  ]
  for (const [path, message] of errors) {
    assert.throws(
      () => secureDataDir(path),
      (err) => err instanceof ConfigError && message.test(err.message) && err.message.includes(path),
      path,
    )
  }
  secureDataDir(join(folder, 'a/b/c'))
  assert.deepEqual(
    ['a', 'a/b', 'a/b/c'].map((name) => modeOf(join(folder, name))),
    [0o700, 0o700, 0o700],
  )
})

test('a process that does not verify certificates does not start', () => {
  const before = process.umask()
  try {
    assert.throws(() => hardenProcess({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }), ConfigError)
    hardenProcess({ NODE_TLS_REJECT_UNAUTHORIZED: '1' })
    hardenProcess({})
  } finally {
    process.umask(before)
  }
})

const noMount = process.getuid?.() === 0 ? false : 'needs root for a tmpfs'

test('on a full disk the compile cache is not flushed, and no descriptor leaks', { skip: noMount }, (t) => {
  const folder = temporaryFolder(t)
  const script = `
    import { readdirSync, writeFileSync } from 'node:fs'
    import { enableCompileCache } from 'node:module'
    enableCompileCache(process.argv[1])
    await import('zod')
    const { flushCompileCacheSafely } = await import('#lib/process/hardening.ts')
    try { writeFileSync(process.argv[1] + '/fill', Buffer.alloc(8 << 20)) } catch {}
    const before = readdirSync('/proc/self/fd').length
    const flushed = flushCompileCacheSafely()
    console.log(flushed, readdirSync('/proc/self/fd').length - before)`
  const shell = `mount -t tmpfs -o size=4m none ${folder} && exec "$0" --input-type=module -e "$1" ${folder}`
  const output = execFileSync('unshare', ['-m', 'sh', '-c', shell, process.execPath, script], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
    env: { ...process.env, NODE_COMPILE_CACHE: '' },
  })
  assert.equal(output.trim(), 'false 0')
})

test('on a full disk the end of a worker thread leaks no descriptor', { skip: noMount }, (t) => {
  const folder = temporaryFolder(t)
  const script = `
    import { once } from 'node:events'
    import { readdirSync, writeFileSync } from 'node:fs'
    import { createRequire } from 'node:module'
    import { Worker } from 'node:worker_threads'
    const { workerEnv } = await import('#lib/process/hardening.ts')
    try { writeFileSync(process.argv[1] + '/fill', Buffer.alloc(8 << 20)) } catch {}
    const code = 'require(' + JSON.stringify(createRequire(process.cwd() + '/x').resolve('zod')) + ')'
    const leak = async (options) => {
      const before = readdirSync('/proc/self/fd').length
      for (let i = 0; i < 3; i++) await once(new Worker(code, { eval: true, execArgv: [], ...options }), 'exit')
      return readdirSync('/proc/self/fd').length - before
    }
    await leak({ env: workerEnv() }) // the first thread opens what all share
    console.log(await leak({ env: workerEnv() }), (await leak({})) > 3)`
  const shell = `mount -t tmpfs -o size=4m none ${folder} && exec "$0" --input-type=module -e "$1" ${folder}`
  const output = execFileSync('unshare', ['-m', 'sh', '-c', shell, process.execPath, script], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
    env: { ...process.env, NODE_COMPILE_CACHE: folder },
  })
  // without it, a descriptor for each module; false: Node has fixed the leak, and workerEnv can go
  assert.equal(output.trim(), '0 true')
})

test('with a compile cache only the first worker thread loads the TypeScript compiler', (t) => {
  const script = `
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const { workerEnv } = await import('#lib/process/hardening.ts')
    const code = 'import(' + JSON.stringify(import.meta.resolve('#lib/process/hardening.ts')) + \`)
      .then(({ flushCompileCacheSafely }) => {
        flushCompileCacheSafely()
        const loaded = process.moduleLoadList.some((one) => one.includes('amaro'))
        require('node:worker_threads').parentPort.postMessage(loaded)
      })\`
    for (let i = 0; i < 2; i++) {
      const thread = new Worker(code, { eval: true, execArgv: [], env: workerEnv() })
      console.log((await once(thread, 'message'))[0])
    }`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
    env: { ...process.env, NODE_COMPILE_CACHE: temporaryFolder(t) },
  })
  assert.deepEqual(output.trim().split('\n'), ['true', 'false'])
})

test('a missing cache folder is no error', () => {
  assert.equal(flushCompileCacheSafely('/nowhere'), false)
  const script = `
    const { flushCompileCacheSafely } = await import('#lib/process/hardening.ts')
    console.log(flushCompileCacheSafely())`
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
    env: { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' },
  })
  assert.equal(output.trim(), 'false')
})
