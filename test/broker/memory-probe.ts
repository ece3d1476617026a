// Preloaded into a process under test, which runs with --expose-gc: reports its live memory to the test.

process.on('message', () => {
  void measure()
})
// the test's channel must not keep the process running
process.channel?.unref()

/** Two collections, with a round of the event loop between them for finalizers. */
async function measure(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const { heapUsed, external } = process.memoryUsage()
  process.send?.((heapUsed + external) / 1024 / 1024)
}
