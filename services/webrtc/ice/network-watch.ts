import { networkInterfaces } from 'node:os'

/** Calls `onChanged` when the addresses of this machine (without loopback) have changed. `intervalMs` between checks. */
export function watchNetwork(
  onChanged: (addresses: string[]) => void,
  intervalMs: number,
  list: () => string[] = ownAddresses,
): Disposable {
  let last = list().join()
  const timer = setInterval(() => {
    const addresses = list()
    if (addresses.join() === last) return
    last = addresses.join()
    onChanged(addresses)
  }, intervalMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => address)
    .sort()
}
