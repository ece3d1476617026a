import { networkInterfaces } from 'node:os'

/** Calls `changed` when the addresses of this machine, loopback left out, are not what they were. `every` in milliseconds. */
export function watchNetwork(
  changed: (addresses: string[]) => void,
  every: number,
  list: () => string[] = ownAddresses,
): Disposable {
  let last = list().join()
  const timer = setInterval(() => {
    const addresses = list()
    if (addresses.join() === last) return
    last = addresses.join()
    changed(addresses)
  }, every)
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
