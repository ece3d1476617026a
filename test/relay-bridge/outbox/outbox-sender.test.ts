import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import type { Outbox } from '#services/relay-bridge/outbox/outbox.ts'
import { OutboxSender } from '#services/relay-bridge/outbox/outbox-sender.ts'
import type { Entry } from '#services/relay-bridge/outbox/outbox-store.ts'

const PING = '{"type":"ping"}'
const KIB = 1024

/** A sender, an outbox in memory with events `e1`, `e2` …, and what it logs. */
function openSender(t: TestContext, { events = 0, bytes = 2 } = {}) {
  const lines: string[] = []
  const log = createLogger('test', { write: (line) => void lines.push(line) })
  const entries: Entry[] = []
  const deleted: number[] = []
  const rejected: number[] = []
  const counts: number[] = []
  const outbox: Partial<Outbox> = {
    after(seq, limit) {
      counts.push(limit.count)
      const read: Entry[] = []
      for (const one of entries.filter((entry) => entry.seq > seq).slice(0, limit.count))
        if (read.reduce((sum, { frame }) => sum + frame.length, 0) < limit.bytes) read.push(one)
      return Promise.resolve(read)
    },
    deleteUpTo(seq) {
      deleted.push(seq)
      entries.splice(0, entries.filter((one) => one.seq <= seq).length)
      return Promise.resolve()
    },
    reject(seq) {
      rejected.push(seq)
      entries.splice(
        entries.findIndex((one) => one.seq === seq),
        1,
      )
      return Promise.resolve()
    },
  }
  const sender = new OutboxSender(outbox as Outbox, log, { pause: 0 })
  t.after(() => sender.lost({ code: null }))
  const add = (count: number) => {
    for (let i = 0; i < count; i++) {
      const seq = (entries.at(-1)?.seq ?? Math.max(0, ...deleted)) + 1
      entries.push({ seq, name: `e${seq}`, frame: `e${seq}`.padEnd(bytes) })
    }
  }
  add(events)
  return { sender, entries, deleted, rejected, counts, lines, add }
}

function openWire() {
  const texts: string[] = []
  const aborts: string[] = []
  const wire = {
    bufferedBytes: 0,
    isOpen: true,
    sendText(text: string) {
      if (wire.isOpen) texts.push(text.trim())
      return wire.isOpen
    },
    abort: (reason: string) => void aborts.push(reason),
  }
  const sent = () => texts.filter((text) => text !== PING)
  const pings = () => texts.filter((text) => text === PING).length
  return { wire, texts, aborts, sent, pings }
}

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `e${from + i}`)
/** Lets the sender take more turns than it needs for whatever it may send. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
}

test('the first ping proves the registration alone: nothing is sent before it, and its pong confirms no event', async (t) => {
  const { sender, deleted } = openSender(t, { events: 2 })
  const { wire, texts, sent } = openWire()
  sender.opened(wire)
  await settled()
  assert.deepEqual(texts, [PING])
  sender.registered(wire)
  await until(() => sent().length === 2)
  sender.pong()
  assert.deepEqual([deleted, texts.at(-1)], [[], PING])
})

test('events are sent five at a time, and a pong confirms those sent before its ping, once', async (t) => {
  const { sender, deleted, counts, entries } = openSender(t, { events: 12 })
  const { wire, texts, sent, pings } = openWire()
  sender.registered(wire)
  await until(() => sent().length === 12)
  assert.deepEqual(sent(), names(1, 12))
  assert.deepEqual(new Set(counts), new Set([5]))
  assert.deepEqual([texts.indexOf(PING), pings()], [5, 1])
  sender.pong()
  assert.deepEqual([deleted, pings()], [[5], 2])
  sender.pong()
  assert.deepEqual([deleted, entries, pings()], [[5, 12], [], 2])
  sender.pong()
  await settled()
  assert.deepEqual([deleted, pings(), sent().length], [[5, 12], 2, 12], 'all is confirmed')
})

test('an event that is stored later is sent at once', async (t) => {
  const { sender, add } = openSender(t)
  const { wire, sent } = openWire()
  sender.registered(wire)
  await settled()
  add(1)
  sender.stored()
  await until(() => sent().length === 1)
})

test('what was not confirmed is sent again on the next connection, and nothing on the old one', async (t) => {
  const { sender, add, deleted } = openSender(t, { events: 3 })
  const [first, second] = [openWire(), openWire()]
  sender.registered(first.wire)
  await until(() => first.sent().length === 3)
  sender.lost({ code: 1006 })
  sender.pong()
  add(1)
  sender.stored()
  sender.registered(second.wire)
  await until(() => second.sent().length === 4)
  assert.deepEqual(second.sent(), names(1, 4))
  assert.deepEqual([first.sent().length, deleted], [3, []])
})

test('events that were read for one connection are not sent on it once it is lost', async (t) => {
  const { sender } = openSender(t, { events: 3 })
  const [first, second] = [openWire(), openWire()]
  sender.registered(first.wire)
  sender.lost({ code: 1006 })
  sender.registered(second.wire)
  await until(() => second.sent().length === 3)
  assert.deepEqual([first.texts, second.sent()], [[], names(1, 3)])
})

test('a closed socket loses no event', async (t) => {
  const { sender } = openSender(t, { events: 3 })
  const [first, second] = [openWire(), openWire()]
  first.wire.isOpen = false
  sender.registered(first.wire)
  await settled()
  assert.deepEqual(first.texts, [])
  sender.lost({ code: null })
  sender.registered(second.wire)
  await until(() => second.sent().length === 3)
})

test('events wait while more than 256 KiB are in the socket', async (t) => {
  const { sender } = openSender(t, { events: 1 })
  const { wire, sent } = openWire()
  wire.bufferedBytes = 256 * KIB + 1
  sender.registered(wire)
  await settled()
  assert.equal(sent().length, 0)
  wire.bufferedBytes = 256 * KIB
  await until(() => sent().length === 1)
})

test('at most 500 events are unconfirmed', async (t) => {
  const { sender } = openSender(t, { events: 510 })
  const { wire, sent } = openWire()
  sender.registered(wire)
  await until(() => sent().length >= 500)
  await settled()
  assert.equal(sent().length, 500)
  sender.pong()
  await until(() => sent().length === 505)
})

test('at most 4 MiB are unconfirmed, and 256 KiB are read at a time', async (t) => {
  const { sender, counts } = openSender(t, { events: 20, bytes: 300 * KIB })
  const { wire, sent } = openWire()
  sender.registered(wire)
  await until(() => sent().length >= 14)
  await settled()
  assert.deepEqual([sent().length, counts.length], [14, 14])
})

test('a connection without an answer to a ping ends after 90 s', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const { sender } = openSender(t, { events: 1 })
  const { wire, sent, aborts } = openWire()
  const send = async () => {
    sender.registered(wire)
    await turn()
    assert.equal(sent().length, 1)
    sent().length = 0
  }
  await send()
  t.mock.timers.tick(89_999)
  assert.equal(aborts.length, 0)
  t.mock.timers.tick(1)
  assert.equal(aborts.length, 1)
  sender.lost({ code: 1006 })
  const second = openWire()
  sender.registered(second.wire)
  await turn()
  assert.equal(second.pings(), 1)
  sender.lost({ code: 1006 })
  t.mock.timers.tick(90_000)
  const third = openWire()
  sender.registered(third.wire)
  await turn()
  sender.pong()
  t.mock.timers.tick(90_000)
  assert.deepEqual([second.aborts, third.aborts], [[], []])
})

/** Connects, sends what may be sent, and loses the connection with this close code. */
async function connectOnce({ sender }: ReturnType<typeof openSender>, code: number | null, expected: number) {
  const { wire, sent } = openWire()
  sender.registered(wire)
  await until(() => sent().length >= expected)
  await settled()
  sender.lost({ code })
  return sent()
}

test('after three rejections with the same oldest event they are sent one at a time, after six it is discarded', async (t) => {
  const opened = openSender(t, { events: 7 })
  for (let i = 0; i < 3; i++) assert.equal((await connectOnce(opened, 1009, 7)).length, 7)
  for (let i = 0; i < 3; i++) assert.deepEqual(await connectOnce(opened, 1009, 1), ['e1'])
  assert.deepEqual(opened.rejected, [1])
  assert.equal(opened.lines.filter((line) => line.includes('"event":"e1"')).length, 1)
  assert.deepEqual(await connectOnce(opened, 1009, 6), names(2, 7))
})

test('the confirmed event is no longer suspected', async (t) => {
  const opened = openSender(t, { events: 2 })
  for (let i = 0; i < 3; i++) await connectOnce(opened, 1008, 2)
  const { wire, sent } = openWire()
  opened.sender.registered(wire)
  await until(() => sent().length === 1)
  opened.sender.pong()
  opened.add(6)
  opened.sender.stored()
  await until(() => sent().length === 8)
  assert.equal(opened.counts.at(-1), 5)
})

for (const [codes, careful] of [
  [[1000, 1003, 1007], true],
  [[1008, 1009, 1011], true],
  [[1001, 1006, null], false],
  [[1002, 4001, 1012], false],
] as const) {
  test(`close codes ${codes.join(', ')} ${careful ? 'reject' : 'do not reject'} an event`, async (t) => {
    const opened = openSender(t, { events: 7 })
    for (const code of codes) await connectOnce(opened, code, 7)
    assert.equal((await connectOnce(opened, 1006, 1)).length, careful ? 1 : 7)
  })
}
