import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { Vp8RtpPayload } from 'werift'
import { packetizeVp8 } from '#services/webrtc/rtp/vp8-packetizer.ts'

test('the payloads of a VP8 frame start with S, fit, and contain the frame', () => {
  const frames = fc.uint8Array({ minLength: 1, maxLength: 5_000 }).map((bytes) => Buffer.from(bytes))
  fc.assert(
    fc.property(frames, (frame) => {
      const payloads = packetizeVp8(frame)
      const parsed = payloads.map((payload) => Vp8RtpPayload.deSerialize(payload))
      assert.ok(payloads.every(({ length }) => length <= 1_198))
      assert.deepEqual(
        parsed.map(({ sBit }) => sBit),
        parsed.map((_, i) => (i === 0 ? 1 : 0)),
      )
      assert.deepEqual(Buffer.concat(parsed.map(({ payload }) => payload)), frame)
    }),
  )
})
