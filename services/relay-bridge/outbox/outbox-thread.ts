import { parentPort, workerData } from 'node:worker_threads'
import { flushCompileCacheSafely } from '#lib/process/hardening.ts'
import type { FileState, Request, Response, StoreData } from './outbox.ts'
import { RecoveringStore } from './recovering-store.ts'

/** The thread that owns the file: answers requests in order. */
const { path, bounds } = workerData as StoreData
const store = new RecoveringStore(path, bounds)
const respond = (response: Response) => parentPort?.postMessage(response)

parentPort?.on('message', ({ id, action }: Request) => {
  try {
    const value = perform(action)
    // a closed one has no counts
    if (action.type !== 'close') respond({ id, value, counts: store.counts, file: fileState() })
  } catch (err) {
    respond({ id, error: (err as Error).message })
  }
  if (action.type === 'close') parentPort?.close()
})
respond({ id: 0, value: undefined, counts: store.counts, file: fileState() })
flushCompileCacheSafely()

function fileState(): FileState {
  return { damaged: store.damaged, unwritable: store.unwritable }
}

function perform(action: Request['action']): unknown {
  switch (action.type) {
    case 'append':
      return store.append(action.name, action.frame, action.delivery)
    case 'after':
      return store.after(action.seq, action)
    case 'delete-up-to':
      return store.deleteUpTo(action.seq)
    case 'reject':
      return store.reject(action.seq)
    case 'ping':
      return store.reopen()
    case 'close':
      return store[Symbol.dispose]()
  }
}
