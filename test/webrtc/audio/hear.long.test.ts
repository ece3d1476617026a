import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RtpPacket } from 'werift'
import { AudioSection } from '#services/audio/config.ts'
import { startAudio } from '#services/audio/index.ts'
import { decodeOpus } from '#test/audio/opus.ts'
import { correlation } from '#test/audio/signals.ts'
import { player } from '#test/audio/start-audio.ts'
import { startRobot } from '../robot.ts'
import { openViewer } from '../viewer.ts'

/** The newest packets without a gap before them. */
function newestRun(packets: readonly RtpPacket[]): readonly RtpPacket[] {
  const isNext = ({ header }: RtpPacket, i: number) =>
    (header.timestamp - (packets[i - 1]?.header.timestamp ?? 0)) >>> 0 === 960
  return packets.slice(
    Math.max(
      0,
      packets.findLastIndex((packet, i) => !isNext(packet, i)),
    ),
  )
}

test('what a program plays on the robot is what the viewer decodes', async (t) => {
  const robot = await startRobot(t, { microphone: 'exec' })
  const service = await startAudio({
    bus: await robot.connect('audio'),
    config: { audio: AudioSection.parse({ source: { type: 'exec', command: player() } }) },
    log: robot.log,
  })
  t.after(() => service[Symbol.asyncDispose]())
  const viewer = await openViewer(t, robot.bus, 'one')
  await viewer.until(({ audio }) => newestRun(audio).length >= 100, 60_000)
  const heard = decodeOpus(newestRun(viewer.audio).map(({ payload }) => payload))
  assert.ok(correlation(heard) > 0.9, String(correlation(heard)))
})
