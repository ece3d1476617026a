import assert from 'node:assert/strict'
import { connect, type ListenOptions, Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { inChunks, runProgram } from '#lib/media/program.ts'

/** Connects to each server of this process before anything else can, as another user of this machine might. */
function connectFirst(t: TestContext, onConnected: (stranger: Socket) => void): void {
  const { listen } = Server.prototype
  t.mock.method(Server.prototype, 'listen', function (this: Server, path: ListenOptions) {
    this.prependOnceListener('listening', () => {
      const stranger = connect(path as never).on('error', () => undefined)
      t.after(() => stranger.destroy())
      onConnected(stranger)
    })
    return listen.call(this, path)
  })
}

const WRITES: Record<string, (stranger: Socket) => void> = {
  nothing: () => undefined,
  'a guess': (stranger) => void stranger.write(Buffer.alloc(16)),
}

for (const [what, write] of Object.entries(WRITES)) {
  test(`another process that connects first and writes ${what} gets no video, and keeps none away`, {
    timeout: 30_000,
  }, async (t) => {
    const stolen: Buffer[] = []
    connectFirst(t, (stranger) => {
      stranger.on('data', (bytes) => stolen.push(bytes))
      write(stranger)
    })
    const read: Buffer[] = []
    const sink = inChunks(async (chunk) => void read.push(Buffer.from(chunk)))
    // the program ends itself, with an error that its output has ended
    await assert.rejects(runProgram(['echo', 'video'], t.signal, sink), /exited with code 0/)
    assert.equal(Buffer.concat(read).toString(), 'video\n')
    assert.equal(stolen.length, 0)
  })
}
