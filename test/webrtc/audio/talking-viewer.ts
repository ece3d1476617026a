import { setTimeout as sleep } from 'node:timers/promises'
import { type RTCDataChannel, RtpHeader, RtpPacket } from 'werift'
import type { Bus } from '#bus/bus.ts'
import { OpusEncoder } from '#services/audio/encode/opus-encoder.ts'
import { chirps } from '#test/audio/signals.ts'
import { openViewer, type Viewer } from '../viewer.ts'

const BLOCK = 960
const REPEAT_PACKETS = 20
const CONNECT_WITHIN_MS = 30_000

/** A viewer that can talk, on werift. */
export interface TalkingViewer {
  viewer: Viewer
  channel: RTCDataChannel
  /** Messages of the robot, oldest first. */
  told: Record<string, unknown>[]
  send(message: object): void
  /** Talks for so many ms, in real time, or until the signal; `press` counts from 1. */
  talk(press: number, ms: number, signal?: AbortSignal): Promise<void>
}

let packets: Promise<Buffer[]> | undefined

/** A second of speech. */
async function encode(): Promise<Buffer[]> {
  using encoder = await OpusEncoder.open({ bitrate: 32_000, dtx: false })
  const samples = chirps(1)
  return Array.from({ length: 50 }, (_, n) =>
    encoder.encode(samples.slice(n * BLOCK, (n + 1) * BLOCK)),
  ).filter((packet) => packet !== undefined)
}

/** Resolves when its data channel is open. */
export async function openTalkingViewer(
  t: Parameters<typeof openViewer>[0],
  bus: Bus,
  id: string,
): Promise<TalkingViewer> {
  packets ??= encode()
  const speech = await packets
  const viewer = await openViewer(t, bus, id, { talk: true })
  const late = sleep(CONNECT_WITHIN_MS, undefined, { ref: false }).then(() => {
    throw new Error(`${id} is not connected within ${CONNECT_WITHIN_MS} ms`)
  })
  await Promise.race([viewer.connected, late])
  const channel = await Promise.race([viewer.channel, late])
  late.catch(() => {})
  const told: Record<string, unknown>[] = []
  channel.onMessage.subscribe((text) => void told.push(JSON.parse(String(text))))
  while (channel.readyState === 'connecting' && viewer.pc.connectionState !== 'closed') await sleep(10)
  const send = (message: object) => {
    if (channel.readyState === 'open') channel.send(JSON.stringify(message))
  }
  const sender = viewer.pc.getTransceivers().find(({ kind }) => kind === 'audio')?.sender
  let sequence = 0
  return {
    viewer,
    channel,
    told,
    send,
    async talk(press, ms, signal) {
      const start = performance.now()
      for (let n = 0; n * 20 < ms && !signal?.aborted; n++, sequence++) {
        if (n % REPEAT_PACKETS === 0) send({ type: 'talk', active: true, press })
        const header = new RtpHeader({
          payloadType: 111,
          sequenceNumber: sequence & 0xffff,
          timestamp: (sequence * BLOCK) >>> 0,
          ssrc: 77,
        })
        await sender?.sendRtp(new RtpPacket(header, speech[n % speech.length] ?? Buffer.alloc(1)))
        await sleep(Math.max(0, start + (n + 1) * 20 - performance.now()))
      }
      send({ type: 'talk', active: false, press })
    },
  }
}
