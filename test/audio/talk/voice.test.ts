import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpusEncoder } from '#services/audio/encode/opus-encoder.ts'
import { opusSamples } from '#services/audio/talk/opus-toc.ts'
import { Voice } from '#services/audio/talk/voice.ts'
import { chirps, correlation } from '../signals.ts'

const BLOCK = 960

/** Packets of `seconds` of chirps. */
async function encode(seconds: number): Promise<Buffer[]> {
  using encoder = await OpusEncoder.open({ bitrate: 32_000, dtx: false })
  const samples = chirps(seconds)
  return Array.from({ length: seconds * 50 }, (_, n) =>
    encoder.encode(samples.slice(n * BLOCK, (n + 1) * BLOCK)),
  ).filter((packet) => packet !== undefined)
}

/** What is heard of packets that arrive as `delay` says (ms; undefined: lost). */
function hear(packets: readonly Buffer[], delay: (n: number) => number | undefined, talk = 1) {
  using voice = new Voice()
  const arrivals = packets
    .map((data, n) => ({ data, n, at: n * 20 + (delay(n) ?? Number.NaN) }))
    .filter(({ at }) => !Number.isNaN(at))
    .toSorted((a, b) => a.at - b.at)
  const heard: number[] = []
  for (let now = 0; now < packets.length * 20 + 500; now += 20) {
    for (let [next] = arrivals; next && next.at <= now; [next] = arrivals) {
      arrivals.shift()
      const { data, n, at } = next
      assert.ok(voice.add({ talk, sequence: n, timestamp: n * BLOCK, data }, at))
    }
    heard.push(...(voice.next(now) ?? []))
  }
  return { heard: Int16Array.from(heard), counts: { ...voice.counts } }
}

test('a voice without loss is what was spoken', async () => {
  const { heard, counts } = hear(await encode(4), () => 0)
  assert.ok(correlation(heard) > 0.95, String(correlation(heard)))
  assert.ok(counts.skipped <= 40, JSON.stringify(counts))
})

test('with 5 % loss and 30 ms of jitter it is still the voice', async () => {
  const packets = await encode(6)
  const { heard, counts } = hear(packets, (n) => (n % 20 === 7 ? undefined : (n * 7919) % 31))
  // 5 % of it is libopus' guess, and where the buffer adapts the sound is shifted
  assert.ok(correlation(heard) > 0.75, String(correlation(heard)))
  assert.ok(counts.concealed >= 15 * 20, JSON.stringify(counts))
})

test('a lost packet is no hole: libopus conceals it', async () => {
  const packets = await encode(4)
  const { heard } = hear(packets, (n) => (n === 100 ? undefined : 0))
  let longest = 0
  let silent = 0
  for (const sample of heard.subarray(48_000, 144_000)) {
    silent = Math.abs(sample) < 40 ? silent + 1 : 0
    longest = Math.max(longest, silent)
  }
  assert.ok(longest < 240, `${longest} silent samples`)
})

test('what is not Opus is refused, and a broken packet does not end the voice', async () => {
  using voice = new Voice()
  const packets = await encode(1)
  assert.equal(voice.add({ talk: 1, sequence: 0, timestamp: 0, data: Buffer.from([0x03]) }, 0), false)
  let blocks = 0
  for (let n = 0; n < 50; n++) {
    const data = n % 5 === 3 ? Buffer.from([0x0b, 0x82, 9, 9, 9]) : (packets[n] ?? Buffer.alloc(1))
    voice.add({ talk: 1, sequence: n, timestamp: n * BLOCK, data }, n * 20)
    if (voice.next(n * 20)) blocks++
  }
  assert.ok(blocks > 40, `${blocks} blocks`)
})

test('a packet that cannot be decoded is concealed, and takes its time', async () => {
  // two frames of 10 ms, of which the first claims more bytes than there are (RFC 6716 §3.2.5)
  const broken = Buffer.from([0x03, 0x82, 250, 9, 9])
  const packets = (await encode(4)).map((data, n) => (n % 10 === 3 ? broken : data))
  const { counts, heard } = hear(packets, () => 0)
  // after the last packet
  assert.ok(counts.concealed <= 100, JSON.stringify(counts))
  assert.ok(heard.length >= 3.9 * 48_000, `${heard.length} samples`)
})

test('packets of two channels, of other durations, and of another mode are played', () => {
  const kinds = [
    [0x7c, 960], // two channels
    [0x80, 120], // 2.5 ms
    [0x18, 2_880], // 60 ms
    [0x08, 960], // SILK, narrow band
    [0xfc, 960], // CELT, full band, two channels
  ] as const
  using voice = new Voice()
  let timestamp = 0
  let blocks = 0
  for (let n = 0; n < 300; n++) {
    const [toc, samples] = kinds[n % kinds.length] ?? kinds[0]
    const data = Buffer.from([toc, ...Array.from({ length: 60 }, (_, i) => (n * 31 + i * 7) & 0xff)])
    assert.ok(voice.add({ talk: 1, sequence: n, timestamp, data }, timestamp / 48))
    timestamp += samples
    while (blocks * BLOCK < timestamp) if (voice.next((blocks++ * BLOCK) / 48)?.length === 0) assert.fail()
  }
  assert.ok(voice.counts.concealed < 200, JSON.stringify(voice.counts))
})

test('a talk ends when its packets end, and late ones do not begin it again', async () => {
  using voice = new Voice()
  const [data = Buffer.alloc(0)] = await encode(1)
  voice.add({ talk: 7, sequence: 0, timestamp: 0, data }, 0)
  assert.equal(voice.active, true)
  voice.add({ talk: 7, sequence: 0, timestamp: 0, data: Buffer.alloc(0) }, 20)
  for (let now = 20; now < 300; now += 20) voice.next(now)
  assert.equal(voice.active, false)
  voice.add({ talk: 7, sequence: 1, timestamp: 960, data }, 320)
  assert.equal(voice.active, false)
  voice.add({ talk: 8, sequence: 1, timestamp: 960, data }, 340)
  assert.equal(voice.active, true)
  for (let now = 340; now < 1_800; now += 20) voice.next(now)
  assert.equal(voice.active, false, 'without packets for a second')
  voice.add({ talk: 8, sequence: 2, timestamp: 90_000, data }, 1_900)
  assert.equal(voice.active, true, 'the viewer still talks: only the network had stalled')
  voice.stop()
  voice.add({ talk: 8, sequence: 3, timestamp: 90_960, data }, 1_920)
  assert.equal(voice.active, false)
})

test('durations by the first byte (RFC 6716 §3.1)', () => {
  const samples = (...bytes: number[]) => opusSamples(Buffer.from(bytes))
  assert.equal(samples(0x78), 960) // hybrid, 20 ms
  assert.equal(samples(0x00), 480)
  assert.equal(samples(0x18), 2_880)
  assert.equal(samples(0x80), 120)
  assert.equal(samples(0x79), 1_920)
  assert.equal(samples(0x7b, 3), 2_880)
  assert.equal(samples(0x7b, 0), undefined)
  assert.equal(samples(0x1b, 3), undefined) // 180 ms
  assert.equal(samples(), undefined)
})
