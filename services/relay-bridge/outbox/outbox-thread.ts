import { parentPort, workerData } from 'node:worker_threads'
import type { Request, Response, StoreData } from './outbox.ts'
import { OutboxStore } from './outbox-store.ts'

/** The thread that owns the file: answers requests in order. */
const { path, bounds } = workerData as StoreData
const { store, damaged } = OutboxStore.open(path, bounds)
const respond = (response: Response) => parentPort?.postMessage(response)

parentPort?.on('message', ({ id, action }: Request) => {
  try {
    respond({ id, value: perform(action), counts: store.counts })
  } catch (err) {
    respond({ id, error: (err as Error).message })
  }
  if (action.type === 'close') parentPort?.close()
})
respond({ id: 0, value: damaged, counts: store.counts })

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
      return
    case 'close':
      return store[Symbol.dispose]()
  }
}
