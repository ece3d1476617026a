import { runUnit } from '#lib/process/run.ts'

// a process of the stack whose event loop stops when it is told to
process.on('message', () => {
  process.send?.('hanging', () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
})

await runUnit({
  name: 'test-unit',
  config: {},
  start: () => {
    process.stdout.write('serving\n')
    return Promise.resolve(new AsyncDisposableStack())
  },
})
