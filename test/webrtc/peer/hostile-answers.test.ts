import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { checkAnswer } from '#services/webrtc/peer/answer.ts'
import { startRobot } from '../robot.ts'
import { openViewer, type Viewer } from '../viewer.ts'

/** Characters of one log line. */
const MAX_LOG_LINE = 4_096

type Forge = (sdp: string) => string

const video = (sdp: string) => sdp.split(/^(?=m=)/m).find((section) => section.startsWith('m=video')) ?? ''

/** What a hostile or broken viewer answers, and the reason with which its session ends. */
const UNUSABLE: Record<string, Forge> = {
  'an answer of 64 KB': (sdp) => `${sdp}a=x:${'x'.repeat(2 ** 16)}\r\n`,
  'an answer of 10,000 lines': (sdp) => sdp + 'a=x\r\n'.repeat(10_000),
  '80 m-lines': (sdp) => sdp + video(sdp).repeat(80),
  'more m-lines than offered': (sdp) => sdp + video(sdp),
  'ICE credentials that are not ASCII': (sdp) => sdp.replaceAll(/^a=ice-ufrag:.*$/gm, 'a=ice-ufrag:пёсик'),
  'ICE credentials of 60,000 characters': (sdp) =>
    sdp.replaceAll(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${'u'.repeat(20_000)}`),
  'no ICE credentials': (sdp) => sdp.replaceAll(/^a=ice-(ufrag|pwd):.*\r\n/gm, ''),
  'an m-line without formats': (sdp) => sdp.replace(/^m=video.*$/m, 'm=video 9 UDP/TLS/RTP/SAVPF\r'),
  'an m-line of an unknown kind': (sdp) => sdp.replace(/^m=audio/m, 'm=image'),
  'no codec that was offered': (sdp) => sdp.replaceAll(/H264|VP8/g, 'AV1'),
  'an empty line': () => '\r\n',
  garbage: () => '\0\u{1F415}'.repeat(1_000),
}

test('an unusable answer ends its session with a reason, and another one keeps its video', async (t) => {
  const { bus, camera, logged } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const other = await openViewer(t, bus, 'other')
  await other.until((viewer) => viewer.video.length > 0, 20_000)
  for (const [what, forge] of Object.entries(UNUSABLE)) {
    await t.test(what, async (t) => {
      await openViewer(t, bus, 'hostile', { forge })
      const { payload } = await closed.next({ within: 20_000 })
      assert.deepEqual(payload, { session_id: 'hostile', reason: 'bad-answer', by: 'robot' })
      await keepsVideo(other)
      assertQuiet(logged)
    })
  }
})

/** The bus drops them, which counts as no answer. */
const DROPPED: Record<string, Forge> = {
  'an answer of 1 MB': (sdp) => `${sdp}a=x:${'x'.repeat(2 ** 20)}\r\n`,
  '500 m-lines': (sdp) => sdp + video(sdp).repeat(500),
  'nothing at all': () => '',
}

for (const [what, forge] of Object.entries(DROPPED)) {
  test(`${what}: dropped, and that session ends without an answer`, async (t) => {
    const { bus, logged } = await startRobot(t, {}, { answer: 1_000 })
    const closed = await collect(bus, topics.closed)
    await openViewer(t, bus, 'hostile', { forge })
    const { payload } = await closed.next({ within: 20_000 })
    assert.deepEqual(payload, { session_id: 'hostile', reason: 'answer-timeout', by: 'robot' })
    for (const line of logged) assert.ok(JSON.stringify(line).length <= MAX_LOG_LINE, String(line.msg))
  })
}

test('without a fingerprint of its certificate a viewer gets no media', async (t) => {
  const { bus, camera } = await startRobot(t)
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const forge: Forge = (sdp) => sdp.replaceAll(/^a=fingerprint:.*\r\n/gm, '')
  const viewer = await openViewer(t, bus, 'hostile', { forge })
  const { payload } = await closed.next({ within: 20_000 })
  assert.deepEqual(payload, { session_id: 'hostile', reason: 'ice-failed', by: 'robot' })
  assert.equal(viewer.video.length, 0)
})

/** Odd answers that may work. */
const ODD: Record<string, Forge> = {
  'an m-line of 30,000 formats': (sdp) => sdp.replace(/^(m=video.*)\r$/m, `$1${' 9'.repeat(30_000)}\r`),
  'the same mid twice': (sdp) => sdp.replace(/^a=mid:1\r$/m, 'a=mid:0\r'),
  'no mid': (sdp) => sdp.replaceAll(/^a=mid:.*\r\n/gm, ''),
  'no BUNDLE group': (sdp) => sdp.replace(/^a=group:.*\r\n/m, ''),
  'setup:actpass': (sdp) => sdp.replaceAll(/^a=setup:.*\r$/gm, 'a=setup:actpass\r'),
  'setup:holdconn': (sdp) => sdp.replaceAll(/^a=setup:.*\r$/gm, 'a=setup:holdconn\r'),
  'setup:passive of a viewer that is active': (sdp) =>
    sdp.replaceAll(/^a=setup:.*\r$/gm, 'a=setup:passive\r'),
  'ICE lite': (sdp) => sdp.replace(/^(s=.*\r\n)/m, '$1a=ice-lite\r\n'),
  'candidates of 10,000 characters': (sdp) =>
    sdp.replace(/^(a=mid:0\r\n)/m, `$1a=candidate:1 1 udp 1 ${'1'.repeat(10_000)} 9 typ host\r\n`),
  '800 candidates': (sdp) =>
    sdp.replace(/^(a=mid:0\r\n)/m, `$1${'a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n'.repeat(800)}`),
}

test('an odd answer leads to video or a reason, and nothing else of the robot suffers', async (t) => {
  const { bus, camera, logged } = await startRobot(t, {}, { connect: 4_000 })
  camera.roll()
  const closed = await collect(bus, topics.closed)
  const other = await openViewer(t, bus, 'other')
  await other.until((viewer) => viewer.video.length > 0, 20_000)
  for (const [what, forge] of Object.entries(ODD)) {
    await t.test(what, async (t) => {
      const odd = await openViewer(t, bus, 'odd', { forge })
      const ended = closed.next({ within: 20_000 })
      const outcome = await Promise.race([
        odd.until((viewer) => viewer.video.length > 10, 20_000).then(() => 'video'),
        ended.then(({ payload }) => payload.reason),
      ])
      t.diagnostic(`${what}: ${outcome}`)
      if (outcome === 'video') await bus.publish(topics.close, { session_id: 'odd', reason: 'enough' })
      assert.equal((await ended).payload.session_id, 'odd')
      await keepsVideo(other)
      assertQuiet(logged)
    })
  }
})

async function keepsVideo(viewer: Viewer): Promise<void> {
  const { length } = viewer.video
  await viewer.until(({ video }) => video.length > length + 10, 20_000)
}

/** No error, and no line that repeats the answer. */
function assertQuiet(logged: Awaited<ReturnType<typeof startRobot>>['logged']): void {
  for (const line of logged) assert.ok(JSON.stringify(line).length <= MAX_LOG_LINE, String(line.msg))
  assert.ok(!logged.some(({ level }) => level === 'error' || level === 'fatal'))
}

test('the answers of browsers are far within the limits', () => {
  const section = `m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=ice-ufrag:+/ab\r\na=ice-pwd:${'p'.repeat(24)}\r\n`
  checkAnswer(section.repeat(3) + 'a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n'.repeat(200))
  assert.throws(() => checkAnswer(section.repeat(4)), /4 m-lines/)
})
