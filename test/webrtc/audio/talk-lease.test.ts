import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Bus } from '#bus/bus.ts'
import { decodeTalkPacket, type TalkPacket } from '#bus/talk-packet.ts'
import { createLogger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { TalkLease } from '#services/webrtc/audio/talk-lease.ts'

function open(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const log = createLogger('test', { write() {} })
  const published: TalkPacket[] = []
  const bus = {
    publish(_topic: unknown, bytes: Buffer) {
      const packet = decodeTalkPacket(bytes)
      if (packet) published.push(packet)
      return Promise.resolve()
    },
  } as unknown as Bus
  const discarded = createEventCounter(log, 'discarded')
  const lease = new TalkLease({ bus, discarded })
  t.after(() => {
    lease[Symbol.dispose]()
    discarded[Symbol.dispose]()
  })
  const join = () => {
    const told: unknown[] = []
    const talker = lease.join(({ by }) => told.push(by), log)
    return {
      told,
      talker,
      talk: (active: unknown, press: unknown) => talker.handle({ type: 'talk', active, press }),
      say: (n: number) => talker.voice({ sequence: n, timestamp: n * 960, payload: Buffer.from([0x78, n]) }),
    }
  }
  return { join, published, discarded, words: () => published.map(({ data }) => data[1]) }
}

test('only who holds the button is heard', (t) => {
  const { join, words } = open(t)
  const one = join()
  one.say(1)
  one.talk(true, 1)
  one.say(2)
  one.talk(false, 1)
  one.say(3)
  assert.deepEqual(words(), [2, undefined])
  assert.deepEqual(one.told, ['you', 'you', null, null])
})

test('the newest press wins, and a repeated message of the earlier one does not take it back', (t) => {
  const { join, published, words } = open(t)
  const [one, two, third] = [join(), join(), join()]
  one.talk(true, 1)
  one.say(1)
  two.talk(true, 1)
  // without a pause between
  assert.deepEqual(
    [one.told, two.told, third.told],
    [
      ['you', 'you', 'other'],
      ['other', 'you', 'you'],
      ['other', 'other'],
    ],
  )
  one.talk(true, 1)
  one.say(2)
  two.say(3)
  assert.deepEqual(words(), [1, undefined, 3])
  assert.equal(new Set(published.map(({ talk }) => talk)).size, 2)
  one.talk(true, 2)
  one.say(4)
  two.say(5)
  assert.equal(words().at(-1), 4)
  // the release of the second must not end the talk of the first
  two.talk(false, 1)
  one.say(6)
  assert.equal(words().at(-1), 6)
})

test('a viewer that vanishes or leaves ends its talk', (t) => {
  const { join, words } = open(t)
  const [one, two] = [join(), join()]
  one.talk(true, 1)
  for (let n = 0; n < 5; n++) {
    t.mock.timers.tick(1_000)
    one.talk(true, 1)
  }
  assert.deepEqual(words(), [])
  t.mock.timers.tick(1_500)
  assert.deepEqual(words(), [undefined])
  assert.equal(two.told.at(-1), null)
  one.talk(true, 1)
  assert.equal(one.told.at(-1), null, 'the same press')
  two.talk(true, 9)
  two.talker[Symbol.dispose]()
  assert.equal(one.told.at(-1), null)
  assert.deepEqual(words(), [undefined, undefined])
})

test('messages that are none change nothing', (t) => {
  const { join, words, discarded } = open(t)
  const one = join()
  const wrong = [
    [1, 1],
    ['true', 1],
    [true, 0],
    [true, -1],
    [true, 1.5],
    [true, undefined],
    [true, 1e300],
    [undefined, 1],
  ]
  for (const [active, press] of wrong) one.talk(active, press)
  assert.deepEqual([words(), one.told], [[], []])
  assert.equal(discarded.totals['talk: not understood'], wrong.length)
})

test('a viewer that sends more than a voice is limited', (t) => {
  const { join, published, discarded } = open(t)
  const one = join()
  one.talk(true, 1)
  for (let n = 0; n < 500; n++) one.say(n % 200)
  one.talker.voice({ sequence: 1, timestamp: 0, payload: Buffer.alloc(1_500) })
  assert.ok(published.length < 70, `${published.length} packets`)
  assert.ok((discarded.totals['talk: too much'] ?? 0) > 400)
})

test('two viewers who press all the time begin a few talks a second, and the page that repeats its press gets one', (t) => {
  const { join, published, discarded } = open(t)
  const [one, two] = [join(), join()]
  for (let n = 1; n <= 500; n++) {
    one.talk(true, n)
    one.say(n % 200)
    two.talk(true, n)
    two.say(n % 200)
  }
  const talks = new Set(published.map(({ talk }) => talk)).size
  assert.ok(talks >= 2 && talks <= 20, `${talks} talks`)
  assert.ok((discarded.totals['talk: too many'] ?? 0) > 400)
})
