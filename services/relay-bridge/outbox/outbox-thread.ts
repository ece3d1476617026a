import { parentPort, workerData } from 'node:worker_threads'
import type { Answer, Question, StoreData } from './outbox.ts'
import { OutboxStore } from './outbox-store.ts'

/** The thread that owns the file: answers one question after the other. */
const { path, bounds } = workerData as StoreData
const { store, damaged } = OutboxStore.open(path, bounds)
const say = (answer: Answer) => parentPort?.postMessage(answer)

parentPort?.on('message', ({ id, ask }: Question) => {
  try {
    say({ id, value: answerTo(ask), counts: store.counts })
  } catch (err) {
    say({ id, error: (err as Error).message })
  }
  if (ask.what === 'close') parentPort?.close()
})
say({ id: 0, value: damaged, counts: store.counts })

function answerTo(ask: Question['ask']): unknown {
  switch (ask.what) {
    case 'append':
      return store.append(ask.name, ask.frame, ask.origin)
    case 'after':
      return store.after(ask.seq, ask)
    case 'forget-up-to':
      return store.forgetUpTo(ask.seq)
    case 'forget':
      return store.forget(ask.seq)
    case 'close':
      return store[Symbol.dispose]()
  }
}
