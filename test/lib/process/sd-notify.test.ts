import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { staysTrue } from '#dev/harness/until.ts'
import { openNotifier } from '#lib/process/sd-notify.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'

const skip = without('systemd-notify', 'python3')
const silent = { warn() {}, error() {} } as unknown as Parameters<typeof openNotifier>[0]

// what systemd does at its end of the socket: it takes datagrams, and closes the descriptor that comes with BARRIER=1
const RECEIVER = `
import array, os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, ancillary, _, _ = s.recvmsg(4096, 1024)
    for _, kind, value in ancillary:
        if kind == socket.SCM_RIGHTS:
            for fd in array.array('i', value): os.close(fd)
    print(data.decode(), flush=True)
`

test('systemd hears READY, then heartbeats for as long as the event loop turns, then STOPPING (H02)', {
  skip,
}, async (t) => {
  const { socket, next } = await receiver(t)
  const notifier = openNotifier(silent, {
    ...process.env,
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '150000',
    WATCHDOG_PID: `${process.pid}`,
  })
  notifier.ready()
  assert.equal(await next(), 'READY=1')
  assert.equal(await next(), 'WATCHDOG=1')
  assert.equal(await next(), 'WATCHDOG=1')
  await notifier[Symbol.asyncDispose]()
  let word = await next()
  while (word === 'WATCHDOG=1') word = await next()
  assert.equal(word, 'STOPPING=1')
})

test('a watchdog that is meant for another process gets no heartbeats from this one', { skip }, async (t) => {
  const { socket, next } = await receiver(t)
  const notifier = openNotifier(silent, {
    ...process.env,
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '30000',
    WATCHDOG_PID: '1',
  })
  notifier.ready()
  assert.equal(await next(), 'READY=1')
  await new Promise((resolve) => setTimeout(resolve, 200))
  await notifier[Symbol.asyncDispose]()
  assert.equal(await next(), 'STOPPING=1')
})

test('a service that systemd starts says READY when it works; stopped in its event loop, it is silent', {
  skip,
}, async (t) => {
  const { socket, next } = await receiver(t)
  const script = join(PROJECT_ROOT, 'test/lib/process/notify-service.ts')
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: '300000', WATCHDOG_PID: '' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  t.after(() => child.kill('SIGKILL'))
  child.stdout?.resume()
  assert.equal(await next(), 'READY=1')
  assert.equal(await next(), 'WATCHDOG=1')
  child.send('hang')
  await once(child, 'message') // it hangs from here on
  let heard = 0
  const listening = (async () => {
    for (;;) {
      await next()
      heard += 1
    }
  })()
  listening.catch(() => {}) // ends with the receiver
  // ten heartbeats would have been due; those on their way may still arrive
  await staysTrue(() => heard <= 3, 1_500, { show: () => heard })
})

test('without systemd nothing is started', async () => {
  const notifier = openNotifier(silent, {})
  notifier.ready()
  await notifier[Symbol.asyncDispose]()
})

/** Systemd's end: a Unix datagram socket, and its messages in order. */
async function receiver(t: TestContext): Promise<{ socket: string; next(): Promise<string> }> {
  const socket = join(temporaryFolder(t), 'notify')
  const child: ChildProcess = spawn('python3', ['-c', RECEIVER, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  if (!child.stdout) throw new Error('no stdout')
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const any = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the receiver has ended')
    return value
  }
  assert.equal(await any(), 'listening')
  const next = async () => {
    let word = await any()
    while (word === 'BARRIER=1') word = await any()
    return word
  }
  return { socket, next }
}
