import assert from 'node:assert/strict'

const FROM_HZ = 200
const TO_HZ = 1_000

/** Sample of a tone that rises from 200 Hz to 1 kHz within each second, at a quarter of full scale. */
export function chirp(seconds: number): number {
  const t = seconds % 1
  return Math.round(8_192 * Math.sin(2 * Math.PI * (FROM_HZ * t + ((TO_HZ - FROM_HZ) * t * t) / 2)))
}

/** `seconds` of {@link chirp} at 48 kHz. */
export function chirps(seconds: number): Int16Array {
  return Int16Array.from({ length: seconds * 48_000 }, (_, i) => chirp(i / 48_000))
}

/** A WAV file of these samples. */
export function toWav(samples: Int16Array): Buffer {
  const header = Buffer.from('RIFF____WAVEfmt ____________________data____', 'latin1')
  header.writeUInt32LE(36 + samples.byteLength, 4)
  header.writeUInt32LE(16, 16)
  header.writeUInt32LE(0x0001_0001, 20) // PCM, mono
  header.writeUInt32LE(48_000, 24)
  header.writeUInt32LE(96_000, 28)
  header.writeUInt32LE(0x0010_0002, 32) // 2 bytes a frame, 16 bits
  header.writeUInt32LE(samples.byteLength, 40)
  return Buffer.concat([header, Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength)])
}

/**
 * Largest normalized correlation of one second from the middle of `heard` with one that repeats each second, {@link chirp}
 * unless given, over all delays.
 */
export function correlation(heard: Int16Array, played = chirps(2)): number {
  assert.ok(heard.length >= 48_000, `${heard.length} samples`)
  const middle = Math.floor((heard.length - 48_000) / 2)
  const part = heard.subarray(middle, middle + 48_000)
  const energy = (samples: Int16Array) => Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0))
  const norm = energy(part) * energy(played.subarray(0, 48_000))
  const at = (delay: number, step: number) => {
    let sum = 0
    for (let i = 0; i < 48_000; i += step) sum += (part[i] ?? 0) * (played[i + delay] ?? 0)
    return (Math.abs(sum) * step) / norm
  }
  // by every 7th sample first
  let best = 0
  let delay = 0
  for (let candidate = 0; candidate < 48_000; candidate++) {
    const value = at(candidate, 7 * 16)
    if (value > best) [best, delay] = [value, candidate]
  }
  const near = Array.from({ length: 41 }, (_, i) => at(Math.max(0, delay - 20 + i), 1))
  return Math.max(...near)
}
