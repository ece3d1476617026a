import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { topics } from '#bus/topics.ts'
import { type LogLine, type Stack, startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { openSmallDisk, type SmallDisk, withoutSmallDisks } from '#test/helpers/small-disk.ts'

const skip = withoutSmallDisks()
const USERS = ['relay-bridge', 'webrtc', 'vision', 'metrics', 'homeassistant']
/** The compile cache is flushed 10 s after the start. */
const FLUSHED_AFTER_MS = 11_000
/** Descriptors that a service may open for other reasons: a connection, a shared library. A leak is hundreds. */
const SPARE_DESCRIPTORS = 10

type Kind = 'full' | 'read-only'
const breakDisk = (disk: SmallDisk, kind: Kind) => (kind === 'full' ? disk.fill() : disk.mount('ro'))
const repair = (disk: SmallDisk, kind: Kind) => (kind === 'full' ? disk.free() : disk.mount('rw'))

/** The stack with `data_dir` and compile cache on a disk that is full, or read-only, since before the start. */
async function startOn(t: TestContext, disk: SmallDisk, kind: Kind): Promise<Stack> {
  const data = join(disk.folder, 'data')
  const broken = join(disk.outside, 'data')
  const stack = await startStack(
    {
      data_dir: data,
      homeassistant: { enabled: true },
      webrtc: { stun_servers: [], video: { width: 320, height: 240 } },
      vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    },
    {
      within: 60_000,
      start(program, args, options) {
        for (const user of USERS) ensurePassword(broken, user)
        copyFileSync(
          join(dirname(args.at(-1) ?? ''), 'broker', 'tester.password'),
          join(broken, 'broker', 'tester.password'),
        )
        mkdirSync(join(disk.outside, 'cache'))
        breakDisk(disk, kind)
        const env = { ...options.env, NODE_COMPILE_CACHE: join(disk.folder, 'cache') }
        return disk.spawn(program, args, { ...options, env })
      },
    },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  return stack
}

function descriptors({ pids }: Stack): Record<string, number> {
  return Object.fromEntries([...pids].map(([name, pid]) => [name, readdirSync(`/proc/${pid}/fd`).length]))
}

function assertFlat(stack: Stack, before: Record<string, number>): void {
  const now = descriptors(stack)
  for (const [name, count] of Object.entries(before)) {
    assert.ok(
      (now[name] ?? 0) <= count + SPARE_DESCRIPTORS,
      `${name}: ${count} descriptors became ${now[name]}`,
    )
  }
}

const isMessage = (service: string, text: string) => (line: LogLine) =>
  line.service === service && (line.msg?.startsWith(text) ?? false)

for (const kind of ['full', 'read-only'] as const) {
  test(`a robot that starts on a ${kind} disk serves, says what is wrong, and recovers by itself`, {
    skip,
  }, async (t) => {
    const disk = openSmallDisk(t, '24m')
    const stack = await startOn(t, disk, kind)
    const startedAt = performance.now()
    const before = descriptors(stack)
    assert.deepEqual(
      Object.keys(before).sort(),
      ['broker', 'local-relay', ...USERS.filter((name) => name !== 'metrics')].sort(),
    )
    assert.deepEqual(stack.lines.filter(isMessage('supervisor', 'child exited')), [])
    assert.ok(stack.lines.some(isMessage('relay-bridge', 'outbox cannot be opened')))

    const bus = await stack.join()
    let outbox = { depth: 0, connected: false }
    await bus.subscribe(topics.link, ({ connected, outbox: { depth } }) => {
      outbox = { depth, connected }
    })
    const robotIs = async (where: (state: typeof outbox) => boolean) =>
      await until(() => where(outbox), { deadline: 30_000, show: () => JSON.stringify(outbox) })
    const results: Record<string, unknown>[] = []
    await bus.subscribe(topics.commandResult, (result) => void results.push(result))
    const photo = async () => {
      const count = results.length
      await bus.publish(topics.command, commandOf('take_photo'), { name: 'take_photo' })
      await until(() => results.length > count, { deadline: 30_000 })
      return results.at(-1)
    }
    const detections = {
      ...{ frame: 1, captured_at: Date.now(), inference_ms: 1 },
      objects: [{ label: 'dog', score: 0.9, box: [0.1, 0.1, 0.5, 0.5], track_id: 1 }],
    }
    const writeAll = async () => {
      await bus.publish(topics.detections, detections as never)
      await bus.publish(topics.event, {}, { name: 'bark' })
      return await photo()
    }

    await robotIs(({ connected }) => connected)
    for (let n = 0; n < 60; n++)
      assert.deepEqual([(await writeAll())?.success, results.at(-1)?.kept], [true, false])
    assert.ok(stack.lines.some(isMessage('vision', 'photo not stored')))
    await until(() => stack.lines.some(isMessage('homeassistant', 'cannot write file')))
    await robotIs(({ connected, depth }) => connected && depth === 0) // the events arrive nevertheless
    await sleep(Math.max(0, FLUSHED_AFTER_MS - (performance.now() - startedAt)))
    assertFlat(stack, before)

    const again = stack.line(isMessage('relay-bridge', 'outbox recovered'), 30_000)
    repair(disk, kind)
    await again
    assert.equal((await writeAll())?.kept, true)
    const data = join(disk.outside, 'data')
    assert.ok(existsSync(join(data, 'outbox.db')))
    assert.equal(readdirSync(join(data, 'photos')).length, 1)
    await robotIs(({ depth }) => depth === 0)

    if (kind === 'full') {
      disk.fill()
      const stored = stack.line(isMessage('relay-bridge', 'event could not be stored, retrying'), 30_000)
      for (let n = 0; n < 20; n++) assert.equal((await writeAll())?.kept, false)
      await stored
      assert.ok(outbox.connected)
      assertFlat(stack, before)
      disk.free()
      await robotIs(({ depth }) => depth > 0)
      await robotIs(({ connected, depth }) => connected && depth === 0)
    }
    assertFlat(stack, before)
    assert.deepEqual(stack.lines.filter(isMessage('supervisor', 'child')), [])
  })
}

let commands = 0
function commandOf(name: string) {
  const received_at = Date.now()
  return { ...{ id: `c${++commands}`, name, params: {}, source: 'relay' as const }, received_at } as never
}
