import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without, withoutWebrtcbin } from '#test/helpers/tools.ts'
import { type PeerProgram, startPeerSession } from './peer-session.ts'

const HERE = 'test/e2e/peers'
const PEERS: (PeerProgram & { skip: string | false })[] = [
  {
    name: 'libdatachannel (node-datachannel)',
    command: [process.execPath, `${HERE}/datachannel-peer.ts`],
    forwards: true,
    ignoresRestarts: true,
    skip: without('ffmpeg'),
  },
  { name: 'libwebrtc (@roamhq/wrtc)', command: [process.execPath, `${HERE}/wrtc-peer.ts`], skip: false },
  {
    name: 'GStreamer (webrtcbin)',
    command: ['/usr/bin/python3', `${HERE}/gstreamer_peer.py`],
    skip: withoutWebrtcbin(),
  },
]
/** Longer than the 3 s after which the robot offers an ICE restart, shorter than its grace of 6 s. */
const FREEZE_MS = 4_200

for (const preferred of ['H264', 'VP8']) {
  test(`other WebRTC implementations watch a robot that prefers ${preferred}`, {
    timeout: 400_000,
  }, async (t) => {
    const stack = await startStack({ webrtc: { stun_servers: [], video: { codec: preferred } } })
    closeAfter(t, () => stack[Symbol.asyncDispose]())
    const bus = await stack.join()
    const [sessions, closed] = [await collect(bus, topics.sessions), await collect(bus, topics.closed)]
    for (const { skip, ...program } of PEERS) {
      await t.test(program.name, { skip }, async (t) => {
        const peer = await startPeerSession(stack.relayPort, program)
        closeAfter(t, () => peer[Symbol.asyncDispose]())
        await peer.more(45)
        const { width = 0, height = 0, spread = 0 } = peer.frames.at(-1) ?? {}
        assert.ok(width >= 320, `a frame of ${width}x${height}`)
        assert.ok(spread > 10, `a picture, not a gray plane: ${spread}`)
        assert.deepEqual(JSON.parse(peer.messages.find((text) => text.includes('pong')) ?? '{}'), {
          type: 'pong',
          n: 7,
        })
        const { payload } = await sessions.next({
          within: 10_000,
          where: ([one]) => one?.state === 'connected',
        })
        const { codec } = payload[0] ?? {}

        await peer.freeze(FREEZE_MS)
        await peer.more(30)
        const restart = stack.lines.some(
          ({ msg, session_id }) => msg === 'ICE restart answered' && session_id === peer.sessionId,
        )
        assert.deepEqual(closed.all, [], 'the same session before and after')
        t.diagnostic(
          `${program.name}: ${codec} ${width}x${height}, first frame ${Math.round(peer.firstFrameMs)} ms, ` +
            `after a freeze of ${FREEZE_MS} ms: ${restart ? 'ICE restart' : 'old candidate pair'}`,
        )

        assert.equal(await peer.leave(), 0)
        const { session_id, by } = (await closed.next({ within: 5_000 })).payload
        assert.deepEqual({ session_id, by }, { session_id: peer.sessionId, by: 'viewer' })
        closed.all.length = 0

        for (const candidatesOf of ['robot', 'peer'] as const) {
          await using other = await startPeerSession(stack.relayPort, program, candidatesOf)
          await other.more(5)
          assert.equal(await other.leave(), 0)
          await closed.next({ within: 5_000 })
        }
        closed.all.length = 0
      })
    }
  })
}
