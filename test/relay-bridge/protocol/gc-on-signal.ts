/** Loaded into a process under test: SIGUSR2 collects its garbage, so that its memory can be measured. */
process.on('SIGUSR2', () => {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
})
