import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { topics } from '#bus/topics.ts'
import { ON_MOSQUITTO } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { sharedStack } from './shared-stack.ts'

const execute = promisify(execFile)

const skip = without('mosquitto_sub', 'mosquitto_pub', 'ffmpeg')

test('a shell can look inside', { skip, timeout: 180_000 }, async (t) => {
  const { stack } = await sharedStack()
  const port = ['-p', String(stack.brokerPort)]

  await t.test('mosquitto_sub piped to ffmpeg decodes the video', async () => {
    const bus = await stack.join('debug')
    const demand = {
      codec: 'h264' as const,
      layers: { high: { bitrate: 1_500_000 } },
      until: Date.now() + 60_000,
    }
    await bus.publish(topics.demand, demand, { who: 'debug' })
    const tap = spawn('mosquitto_sub', [...port, '-t', 'wimz/video/high', '-N'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const decode = ['-hide_banner', '-f', 'h264', '-i', '-', '-frames:v', '30', '-f', 'null', '-']
    const player = spawn('ffmpeg', decode, { stdio: ['pipe', 'ignore', 'pipe'] })
    closeAfter(t, () => tap.kill())
    tap.stdout.pipe(player.stdin)
    player.stdin.on('error', () => {}) // ffmpeg has enough before the stream ends
    let said = ''
    player.stderr.on('data', (text) => {
      said += text
    })
    await bus.publish(topics.keyframe, {}, { layer: 'high' })
    const code = await new Promise((resolve) => player.on('exit', resolve))
    tap.kill()
    assert.equal(code, 0, said)
    // a busy machine gets smaller frames
    assert.match(said, /1280x720|960x540|640x360/)
    assert.match(said, /frame=\s*30/)
    await bus.publish(topics.demand, null, { who: 'debug' })
  })

  await t.test('vision/frame saved to a file is a JPEG', async () => {
    const options = { encoding: 'buffer' as const, maxBuffer: 8 * 1024 * 1024 }
    const { stdout } = await execute(
      'mosquitto_sub',
      [...port, '-t', 'wimz/vision/frame', '-N', '-C', '1', '-W', '10'],
      options,
    )
    assert.equal(stdout.subarray(0, 3).toString('hex'), 'ffd8ff')
    assert.equal(stdout.subarray(-2).toString('hex'), 'ffd9')
  })

  await t.test('retained states tell who is there', async () => {
    const services = [...(ON_MOSQUITTO ? [] : ['broker']), 'relay-bridge', 'webrtc', 'vision']
    const listen = ['mosquitto_sub', ...port, '-v', '-t', 'wimz/+/state', '-W', '2']
    const { stdout } = await execute('sh', ['-c', '"$@" || true', 'sh', ...listen])
    for (const service of services) {
      assert.match(stdout, new RegExp(`^wimz/${service}/state .*"state":"online"`, 'm'))
    }
  })

  await t.test('invalid payloads on any topic affect no service', async () => {
    const { username, password } = stack.login
    const login = [...port, '-u', username, '-P', password]
    const rubbish = Buffer.alloc(1024 * 1024, '{[x')
    for (const topic of [
      'signaling/request',
      'video/high',
      'video/demand/x',
      'vision/frame/request',
      'command/x',
      'vision/state',
    ]) {
      for (const text of ['', '{', '[]', '{"session_id":5}']) {
        await execute('mosquitto_pub', [...login, '-t', `wimz/${topic}`, ...(text ? ['-m', text] : ['-n'])])
      }
      const big = spawn('mosquitto_pub', [...login, '-t', `wimz/${topic}`, '-s'], {
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      big.stdin.end(rubbish)
      await new Promise((resolve) => big.on('exit', resolve))
    }
    const bus = await stack.join('afterwards')
    const frame = Promise.withResolvers<Buffer>()
    await bus.subscribe(topics.frame, (jpeg) => frame.resolve(jpeg))
    await bus.publish(topics.frameRequest, {})
    await frame.promise
    assert.ok(!stack.lines.some(({ level }) => level === 'fatal'))
  })
})
