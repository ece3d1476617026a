import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BrokerSection } from '#broker/config.ts'
import { startBroker } from '#broker/index.ts'
import { ConfigError } from '#lib/config-error.ts'
import { BusSection } from '#lib/config-schema.ts'
import { createLogger } from '#lib/logger.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { startUsersBroker } from '../users-broker.ts'

const original = readFileSync('configs/broker.yaml', 'utf8')
/** The end of the user `relay-bridge`: what is before is a valid file. */
const firstUser = original.search(/\n\n {2}webrtc:/)

interface Damage {
  what: string
  damage(path: string): void
  /** The error at the start, and at a reload where it is another one; undefined: starts, with a warning. */
  start: RegExp | undefined
  reload?: RegExp
}

const write = (text: string | Buffer) => (path: string) => {
  rmSync(path, { recursive: true, force: true })
  writeFileSync(path, text)
}

const DAMAGES: Damage[] = [
  { what: 'removed', damage: (path) => rmSync(path), start: /broker\.yaml cannot be read \(ENOENT\)/ },
  {
    what: 'replaced by a folder',
    damage(path) {
      rmSync(path)
      mkdirSync(path)
    },
    start: /broker\.yaml is not a file/,
  },
  {
    what: 'replaced by a named pipe',
    damage(path) {
      rmSync(path)
      execFileSync('mkfifo', [path])
    },
    start: /broker\.yaml is not a file/,
  },
  { what: 'empty', damage: write(''), start: /broker\.yaml: no users/ },
  { what: 'without users', damage: write('users: {}\nlocal: {}\n'), start: /broker\.yaml: no users/ },
  {
    what: 'cut within a line',
    damage: write(`${original.slice(0, firstUser)}\n  webrtc: { publish: ["~/web`),
    start: /broker\.yaml:\d+:\d+: missing quote/,
  },
  {
    what: 'cut after the first user',
    damage: write(original.slice(0, firstUser)),
    start: undefined,
    reload: /lacks the service webrtc/,
  },
  {
    what: 'binary',
    damage: write(Buffer.from([0, 1, 2, 0xff, 0xfe, 0x80])),
    start: /broker\.yaml:1:1: expected a section/,
  },
  { what: 'a list', damage: write('- users\n'), start: /broker\.yaml:1:1: expected a section/ },
  {
    what: 'of 5 MiB',
    damage: write('#'.repeat(5 * 1024 * 1024)),
    start: /broker\.yaml is larger than 4 MiB/,
  },
]

/** Starts a broker with this users file; resolves to its warnings. */
async function start(t: TestContext, users_file: string): Promise<unknown[]> {
  const warnings: unknown[] = []
  const log = createLogger('broker', {
    write(line) {
      const { level, users } = JSON.parse(line)
      if (level === 'warn') warnings.push(users)
    },
  })
  const config = {
    broker: BrokerSection.parse({ port: 0, users_file }),
    bus: BusSection.parse({}),
    data_dir: temporaryFolder(t),
  }
  await using _broker = await startBroker({ config, log })
  return warnings
}

for (const { what, damage, start: atStart, reload } of DAMAGES) {
  test(`a users file that is ${what}: the start names it, a reload keeps the users`, async (t) => {
    const { broker, connect, folder, logged } = await startUsersBroker(t)
    const path = join(folder, 'broker.yaml')
    const users = readFileSync(path)
    const vision = await connect('vision')
    damage(path)
    const before = logged.length
    broker.reload()
    const errors = logged.slice(before).filter(({ level }) => level === 'error')
    assert.equal(errors.length, 1)
    assert.equal(errors[0]?.msg, 'users reload failed; keeping the current ones')
    assert.match(messageOf(errors[0]), reload ?? atStart ?? /./)
    assert.ok(vision.connected)
    await connect('webrtc')
    if (atStart) await assert.rejects(start(t, path), isConfigError(atStart))
    else assert.deepEqual(await start(t, path), [['webrtc', 'vision']])
    write(users)(path)
    broker.reload()
    assert.equal(logged.at(-1)?.msg, 'users and certificates reloaded')
    assert.ok(vision.connected)
  })
}

const skip = process.getuid?.() === 0 ? false : 'needs root to become another user'

test('a users file that the broker may not read: the start names it, a reload keeps the users', {
  skip,
}, async (t) => {
  const { broker, connect, folder, logged } = await startUsersBroker(t)
  const path = join(folder, 'broker.yaml')
  await connect('vision')
  chmodSync(folder, 0o755)
  chmodSync(path, 0)
  const before = logged.length
  process.seteuid?.(65_534)
  try {
    broker.reload()
    await assert.rejects(start(t, path), isConfigError(/broker\.yaml cannot be read \(EACCES\)/))
  } finally {
    process.seteuid?.(0)
  }
  const errors = logged.slice(before).filter(({ level }) => level === 'error')
  assert.match(messageOf(errors[0]), /cannot be read \(EACCES\)/)
  await connect('webrtc')
})

function messageOf(line: Record<string, unknown> | undefined): string {
  return (line?.err as { message: string } | undefined)?.message ?? ''
}

function isConfigError(pattern: RegExp) {
  return (err: unknown) => err instanceof ConfigError && pattern.test(err.message)
}
