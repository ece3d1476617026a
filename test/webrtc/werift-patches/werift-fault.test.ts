import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { RTCPeerConnection } from 'werift'
import { PROJECT_ROOT } from '#lib/version.ts'
import { createGathering } from '#services/webrtc/ice/gathering.ts'
import { isWeriftFault } from '#services/webrtc/werift-patches/werift-fault.ts'

const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => assert.fail('no error'),
    (err: unknown) => err,
  )

test('an error of werift is distinguished from one of ours', async () => {
  const pc = new RTCPeerConnection({ iceServers: [] })
  assert.ok(isWeriftFault(await caught(pc.setRemoteDescription({ type: 'answer', sdp: 'rubbish' }))))
  await pc.close()
  assert.ok(!isWeriftFault(new Error('ours')))
  assert.ok(!isWeriftFault(await caught(Promise.resolve().then(() => JSON.parse('{')))))
  for (const none of [undefined, null, 'text', 7, {}]) assert.ok(!isWeriftFault(none))
})

test('an error with frames of Node only counts inside a gathering', () => {
  const err = new Error('getaddrinfo ENOTFOUND turn.example')
  err.stack = `${err}\n    at GetAddrInfoReqWrap.onlookup (node:internal/dns/promises:89:17)`
  assert.ok(!isWeriftFault(err))
  assert.ok(createGathering().run(() => isWeriftFault(err)))
})

/** A process with the service's chassis, in which `code` runs; its log lines and how it ended. */
async function runWith(code: string): Promise<{ lines: { msg: string }[]; code: number }> {
  const script = `
    import { runUnit } from '#lib/process/run.ts'
    import { isWeriftFault } from '#services/webrtc/werift-patches/werift-fault.ts'
    import { RTCPeerConnection } from 'werift'
    const start = async () => {
      setTimeout(() => { ${code} }, 50)
      setTimeout(() => process.kill(process.pid, 'SIGTERM'), 400)
      const alive = setInterval(() => undefined, 1_000)
      return { [Symbol.asyncDispose]: async () => clearInterval(alive) }
    }
    await runUnit({ name: 'unit', config: {}, isRecoverable: isWeriftFault, start })`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: { msg: string }[] = []
  createInterface(child.stdout).on('line', (line) => void lines.push(JSON.parse(line)))
  const [code_] = await once(child, 'close')
  return { lines, code: code_ as number }
}

test('an unhandled rejection of werift does not end the process, one of ours does (A15)', async () => {
  const [theirs, ours] = await Promise.all([
    runWith(`void new RTCPeerConnection({}).setRemoteDescription({ type: 'answer', sdp: 'rubbish' })`),
    runWith(`void Promise.reject(new Error('ours'))`),
  ])
  assert.equal(theirs.code, 0, JSON.stringify(theirs.lines))
  assert.ok(theirs.lines.some(({ msg }) => msg.startsWith('unhandled error in one session')))
  assert.equal(ours.code, 1)
  assert.ok(ours.lines.some(({ msg }) => msg.startsWith('unexpected error')))
})
