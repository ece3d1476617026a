import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from '#bus/bus.ts'
import { encodeTalkPacket } from '#bus/talk-packet.ts'
import { topics } from '#bus/topics.ts'
import { OpusEncoder } from '#services/audio/encode/opus-encoder.ts'
import { chirps } from './signals.ts'

/** Talks for so many seconds, in real time, as webrtc passes a viewer's voice on. */
export async function speak(bus: Bus, talk: number, seconds: number, signal?: AbortSignal): Promise<void> {
  using encoder = await OpusEncoder.open({ bitrate: 32_000, dtx: false })
  const second = chirps(1)
  const start = performance.now()
  for (let n = 0; n < seconds * 50 && !signal?.aborted; n++) {
    const from = (n % 50) * 960
    const data = encoder.encode(second.slice(from, from + 960))
    if (!data) continue
    const packet = encodeTalkPacket({ talk, sequence: n & 0xffff, timestamp: n * 960, data })
    await bus.publish(topics.talk, packet)
    await sleep(Math.max(0, start + (n + 1) * 20 - performance.now()))
  }
  await bus.publish(topics.talk, encodeTalkPacket({ talk, sequence: 0, timestamp: 0, data: Buffer.alloc(0) }))
}
