import { once } from 'node:events'
import { chmodSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { dirname, join } from 'node:path'
import type { Bus } from '#bus/bus.ts'
import { createServer } from '#lib/http/node-http.ts'
import { historySocketPath, socketAddress } from '#lib/http/unix-socket.ts'
import type { Logger } from '#lib/logger.ts'
import { createEventCounter } from '#lib/metrics/event-counter.ts'
import { createFolder } from '#lib/process/disk.ts'
import type { Clip, ClipStore } from '../clip.ts'
import { ClipPictures } from './clip-pictures.ts'
import { ClipRemover } from './clip-remover.ts'
import { History } from './history.ts'
import { followBus } from './intake.ts'
import { Routes } from './routes.ts'
import { TrackPictures } from './track-pictures.ts'

const PRUNE_INTERVAL_MS = 3_600_000
/** Of the database. */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_CONNECTIONS = 64

interface HistoryDeps {
  bus: Bus
  log: Logger
  dataDir: string
  clips: ClipStore
  /** For how long anything but clips is kept. */
  days: number
}

/** Records what happens on the bus, and serves it with the clips on a socket in `dataDir`. A disk that fails stops neither. */
export async function startHistory(deps: HistoryDeps): Promise<AsyncDisposable> {
  const { bus, log, dataDir, clips, days } = deps
  await using stack = new AsyncDisposableStack()
  const folder = join(dataDir, 'recorder')
  const history = stack.use(await History.open(join(folder, 'history.db'), log))
  history.on('failed', (err) => log.error({ err }, 'history has ended: restart the recorder'))
  const reconcile = () =>
    void history.reconcile(clips.list()).catch((err: unknown) => log.warn({ err }, 'clips cannot be listed'))
  history.on('new-file', reconcile)
  reconcile()
  const dropped = stack.use(createEventCounter(log, 'history records beyond the limit of their rate'))
  const record = history.record.bind(history)
  const pictures = new ClipPictures(clips, join(folder, 'thumbnails'))
  const trackPictures = stack.use(new TrackPictures({ bus, log, record, folder: join(folder, 'pictures') }))
  stack.use(followClips(clips, history, pictures))
  const onTrack = trackPictures.ingest.bind(trackPictures)
  stack.use(await followBus({ bus, log, dropped, record, onTrack }))
  stack.use(pruneRegularly({ history, trackPictures, days, log }))
  const remover = stack.use(new ClipRemover(history, clips, log))
  const routes = stack.use(new Routes({ history, clips, pictures, trackPictures, remover, log }))
  stack.use(await serve(routes, historySocketPath(dataDir), log))
  return stack.move()
}

function followClips(clips: ClipStore, history: History, pictures: ClipPictures): Disposable {
  const write = (clip: Clip) => history.record({ type: 'clip', clip })
  const removed = (clip: Clip) => {
    history.record({ type: 'clip-removed', id: clip.id })
    void pictures.delete(clip)
  }
  for (const name of ['begun', 'changed', 'finished'] as const) clips.on(name, write)
  clips.on('removed', removed)
  return {
    [Symbol.dispose]() {
      for (const name of ['begun', 'changed', 'finished'] as const) clips.off(name, write)
      clips.off('removed', removed)
    },
  }
}

interface PruneDeps extends Pick<HistoryDeps, 'days' | 'log'> {
  history: History
  trackPictures: TrackPictures
}

function pruneRegularly({ history, trackPictures, days, log }: PruneDeps): Disposable {
  const prune = async () => await trackPictures.delete(await history.prune({ days, bytes: MAX_BYTES }))
  const attempt = () => void prune().catch((err: unknown) => log.warn({ err }, 'history cannot be pruned'))
  attempt()
  const timer = setInterval(attempt, PRUNE_INTERVAL_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** A socket that cannot be made, as on a read-only disk, takes the page away and nothing else. */
async function serve(routes: Routes, path: string, log: Logger): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  const server = createServer((request, response) => void routes.handle(request, response))
  Object.assign(server, { maxConnections: MAX_CONNECTIONS, requestTimeout: 10_000, headersTimeout: 10_000 })
  try {
    createFolder(dirname(path))
    // of a recorder that was killed
    rmSync(path, { force: true })
    const address = stack.use(socketAddress(path))
    server.listen(address.path)
    await once(server, 'listening')
    chmodSync(path, 0o600)
    log.info({ socket: path }, 'history served')
  } catch (err) {
    log.error({ err, socket: path }, 'history is not served: the page has no recordings')
  }
  stack.defer(() => close(server))
  return stack.move()
}

async function close(server: Server): Promise<void> {
  if (!server.listening) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
