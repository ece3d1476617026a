import { parentPort, workerData } from 'node:worker_threads'
import type { HistoryData, HistoryRequest, HistoryResponse } from './history.ts'
import { RecoveringHistory } from './recovering-history.ts'

/** The thread that owns the file: answers requests in order. */
const { path, reopenMs } = workerData as HistoryData
const store = new RecoveringHistory(path, reopenMs)
const respond = (response: HistoryResponse) => parentPort?.postMessage(response)

parentPort?.on('message', ({ id, action }: HistoryRequest) => {
  try {
    const value = perform(action)
    respond({ id, value, file: store.file })
  } catch (err) {
    respond({ id, error: (err as Error).message, file: store.file })
  }
  if (action.type === 'close') parentPort?.close()
})
respond({ id: 0, value: undefined, file: store.file })

function perform(action: HistoryRequest['action']): unknown {
  switch (action.type) {
    case 'write':
      return store.write(action.records)
    case 'reconcile':
      return store.reconcile(action.clips)
    case 'prune':
      return store.prune(action.bounds, action.now)
    case 'query':
      return store.query(action.method, action.args)
    case 'close':
      return store[Symbol.dispose]()
  }
}
