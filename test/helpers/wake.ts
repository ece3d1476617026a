/** Waits until one of the wakers is called, or for `atMost` milliseconds. */
export async function wake(wakers: Set<() => void>, atMost: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  wakers.add(resolve)
  const timer = setTimeout(resolve, atMost)
  await promise
  clearTimeout(timer)
  wakers.delete(resolve)
}
