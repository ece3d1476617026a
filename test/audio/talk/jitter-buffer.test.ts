import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JitterBuffer } from '#services/audio/talk/jitter-buffer.ts'

const BLOCK = 960

/** Plays packets that arrive at these times (ms; undefined: lost), 20 ms of sound each, for `ms`. */
function play(arrivals: readonly (number | undefined)[], ms: number) {
  const counts = { concealed: 0, skipped: 0, late: 0 }
  const buffer = new JitterBuffer(counts)
  const waiting = arrivals
    .flatMap((at, n) => (at === undefined ? [] : { at, n }))
    .toSorted((a, b) => a.at - b.at)
  /** Number of the packet, and its time in the buffer since it was captured. */
  const played: { n: number; delay: number }[] = []
  let concealed = 0
  for (let now = 0; now < ms; now += 20) {
    for (let [next] = waiting; next && next.at <= now; [next] = waiting) {
      waiting.shift()
      const { n } = next
      buffer.add({ timestamp: (n * BLOCK) >>> 0, samples: BLOCK, data: Buffer.from([n >> 8, n]) }, next.at)
    }
    for (let playout = buffer.take(now); playout; playout = buffer.take(now)) {
      if (playout.type === 'conceal') concealed++
      else {
        const n = playout.data.readUInt16BE()
        played.push({ n, delay: now - n * 20 })
      }
      if (playout.type !== 'skip') break
    }
  }
  return { counts, buffer, played, concealed, numbers: played.map(({ n }) => n) }
}

const steady = (count: number, delay: (n: number) => number | undefined = () => 0) =>
  Array.from({ length: count }, (_, n) => {
    const late = delay(n)
    return late === undefined ? undefined : n * 20 + 30 + late
  })

test('a steady stream is played in order, 40 to 80 ms after it arrived', () => {
  const { numbers, counts, played } = play(steady(500), 10_100)
  assert.deepEqual(
    numbers.filter((n) => n > 20),
    Array.from({ length: 479 }, (_, i) => i + 21),
  )
  assert.deepEqual({ ...counts, concealed: 0 }, { concealed: 0, skipped: counts.skipped, late: 0 })
  assert.ok(counts.skipped <= 40, `${counts.skipped} ms left out`)
  for (const { delay } of played.slice(100)) assert.ok(delay >= 50 && delay <= 110, `${delay} ms`)
})

test('packets that overtake each other are played in order', () => {
  const { numbers } = play(
    steady(100, (n) => (n % 4 === 1 ? 35 : 0)),
    2_500,
  )
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  )
  assert.ok(numbers.length >= 97, `${numbers.length} packets`)
})

test('a lost packet is concealed, and costs no delay', () => {
  const { numbers, concealed, played } = play(
    steady(400, (n) => (n % 20 === 10 ? undefined : 0)),
    8_100,
  )
  assert.ok(!numbers.includes(110) && numbers.includes(111))
  // and what is concealed after the last one
  assert.ok(concealed >= 20 && concealed <= 26, `${concealed} concealed`)
  const delays = played.slice(100).map(({ delay }) => delay)
  assert.ok(Math.max(...delays) <= 120, `${Math.max(...delays)} ms`)
})

/** Numbers from 0 to 1, the same each time. */
function randomNumbers(seed: number): () => number {
  return () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
}

test('with 30 ms of jitter the delay stays below 150 ms and hardly anything is concealed', () => {
  const random = randomNumbers(1)
  const { played, counts, buffer } = play(
    steady(3_000, () => random() * 60),
    60_200,
  )
  assert.ok(buffer.target > 60 && buffer.target <= 120, `${buffer.target} ms`)
  const delays = played.slice(200).map(({ delay }) => delay)
  assert.ok(Math.max(...delays) <= 30 + 120 + 50, `${Math.max(...delays)} ms`)
  assert.ok(counts.concealed < 1_500, `${counts.concealed} of 60000 ms concealed`)
})

test('after a stall the sound continues live', () => {
  const { played, counts } = play(
    steady(400, (n) => (n >= 100 && n < 175 ? (175 - n) * 20 : 0)),
    8_100,
  )
  const after = played.filter(({ n }) => n >= 200)
  assert.ok(after.length > 150, `${after.length} packets`)
  for (const { n, delay } of after) assert.ok(delay <= 170, `packet ${n} after ${delay} ms`)
  assert.ok(counts.concealed <= 200, `${counts.concealed} ms concealed`)
})

test('where the path stands still for 40 to 100 ms each second, most seconds are played as they were spoken', () => {
  const random = randomNumbers(1)
  const stalls = Array.from({ length: 120 }, (_, second) => {
    const begin = second * 1_000 + random() * 900
    return { begin, end: begin + 40 + random() * 60 }
  })
  const { played } = play(
    steady(6_000, (n) => {
      const at = n * 20 + 30 + random() * 4
      const stall = stalls.find(({ begin, end }) => at > begin && at < end)
      return (stall?.end ?? at) - n * 20 - 30
    }),
    120_000,
  )
  const changed = new Set<number>()
  for (const [i, { n, delay }] of played.entries()) {
    if (n >= 250 && delay !== played[i - 1]?.delay) changed.add(Math.floor(n / 50))
  }
  assert.ok(115 - changed.size >= 100, `${115 - changed.size} of 115 seconds`)
})

test('a microphone that loses time is followed: nothing is left out for what is missing', () => {
  // 10 ms each 0.7 s, and 100 ms once
  const { counts } = play(
    steady(1_500, (n) => Math.floor(n / 35) * 10 + (n > 700 ? 100 : 0)),
    30_500,
  )
  // 520 ms are missing, and 100 ms after the end
  assert.ok(counts.concealed >= 400 && counts.concealed <= 700, `${counts.concealed} ms concealed`)
  assert.ok(counts.skipped <= 60, `${counts.skipped} ms left out`)
})

test('10 minutes with 5 % loss and 30 ms of jitter: concealed, no drift, and back to a short delay', () => {
  const random = randomNumbers(2)
  const bad = 30_000
  const { played, concealed, buffer } = play(
    steady(bad + 1_500, (n) => {
      if (n >= bad) return 0
      return random() < 0.05 ? undefined : random() * 60
    }),
    (bad + 1_500) * 20,
  )
  const delay = (from: number, to: number) =>
    Math.max(...played.filter(({ n }) => n >= from && n < to).map((one) => one.delay))
  assert.ok(concealed >= bad * 0.045 && concealed <= bad * 0.08, `${concealed} of ${bad} blocks concealed`)
  assert.ok(delay(bad - 1_000, bad) <= delay(500, 1_500) + 20, 'the delay grows')
  // 30 ms of them are the path
  assert.ok(delay(bad + 1_000, bad + 1_500) <= 30 + 120, `${delay(bad + 1_000, bad + 1_500)} ms in the end`)
  assert.ok(buffer.target <= 120)
})

test('a sender whose timestamps step back by seconds is played again', () => {
  const counts = { concealed: 0, skipped: 0, late: 0 }
  const buffer = new JitterBuffer(counts)
  const played: number[] = []
  for (let n = 0; n < 200; n++) {
    const timestamp = 1_000_000 + (n < 100 ? n : n - 250) * BLOCK
    buffer.add({ timestamp: timestamp >>> 0, samples: BLOCK, data: Buffer.from([n]) }, n * 20)
    const playout = buffer.take(n * 20)
    if (playout && playout.type !== 'conceal') played.push(playout.data[0] ?? -1)
  }
  assert.ok((played.at(-1) ?? 0) >= 90, `${played.at(-1)}`)
  assert.ok(played.length >= 160, `${played.length} packets`)
})

test('a sender whose clock is 200 ppm faster does not fill the buffer within 10 minutes', () => {
  const { played } = play(
    Array.from({ length: 30_000 }, (_, n) => n * 20 * (1 - 0.0002) + 30),
    590_000,
  )
  for (const { n, delay } of played.slice(-1_000)) {
    assert.ok(delay + n * 20 * 0.0002 <= 140, `packet ${n} after ${delay + n * 20 * 0.0002} ms`)
  }
})

test('a timestamp that wraps or jumps does not stop it', () => {
  const counts = { concealed: 0, skipped: 0, late: 0 }
  const buffer = new JitterBuffer(counts)
  const played: number[] = []
  for (let n = 0; n < 200; n++) {
    // wraps after 50 packets, and jumps after 100
    const timestamp = (0xffffffff - 50 * BLOCK + n * BLOCK + (n < 100 ? 0 : 1e9)) >>> 0
    buffer.add({ timestamp, samples: BLOCK, data: Buffer.from([n]) }, n * 20)
    const playout = buffer.take(n * 20)
    if (playout && playout.type !== 'conceal') played.push(playout.data[0] ?? -1)
  }
  assert.ok(played.length > 180, `${played.length} packets`)
  assert.equal(played.at(-1), 199 - (199 - (played.at(-1) ?? 0)))
  assert.ok((played.at(-1) ?? 0) >= 194)
})

test('duplicates and what comes too late are left out', () => {
  const counts = { concealed: 0, skipped: 0, late: 0 }
  const buffer = new JitterBuffer(counts)
  const add = (n: number, now: number) =>
    buffer.add({ timestamp: n * BLOCK, samples: BLOCK, data: Buffer.from([n]) }, now)
  const played = []
  for (let n = 0; n < 50; n++) {
    add(n, n * 20)
    add(n, n * 20 + 1)
    if (n > 30) add(n - 25, n * 20 + 2)
    const playout = buffer.take(n * 20 + 5)
    if (playout?.type === 'packet') played.push(playout.data[0])
  }
  assert.equal(new Set(played).size, played.length)
  assert.ok(counts.late >= 19 * 20, `${counts.late} ms`)
})
