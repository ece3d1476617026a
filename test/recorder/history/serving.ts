import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { historySocketPath } from '#lib/http/unix-socket.ts'
import { createLogger } from '#lib/logger.ts'
import { startHistory } from '#services/recorder/history/start.ts'
import { type FakeBus, fakeBus } from '#test/helpers/fake-bus.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { TestClips } from './clips.ts'
import { ask } from './request.ts'

/** A history that is served on its socket, with the clips of a folder. */
export async function serving(t: TestContext, dataDir = temporaryFolder(t)) {
  const bus: FakeBus = fakeBus()
  const clips = new TestClips(join(dataDir, 'recorder/clips'))
  const log = createLogger('history', { write() {} })
  const history = await startHistory({ bus, log, dataDir, clips, days: 100_000 })
  t.after(() => history[Symbol.asyncDispose]())
  const socket = historySocketPath(dataDir)
  const get = (path: string, headers: Record<string, string> = {}) =>
    ask({ socket }, `/history/${path}`, { headers })
  const change = (id: string, body: unknown) =>
    ask({ socket }, `/history/clips/${id}`, { method: 'POST', body: JSON.stringify(body) })
  return { dataDir, bus, clips, socket, get, change }
}
