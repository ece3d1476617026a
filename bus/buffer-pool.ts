/** Bytes; Node's default is 64 KiB. */
const POOL_SIZE = 1024

/**
 * Keeps mqtt-packet (9) from holding on to memory: it caches one small Buffer for every packet length below 16384 that it
 * has ever written, and each of them would pin the whole slab of Node's pool that it was cut from, 1 GB in the end.
 */
export function shrinkBufferPool(): void {
  Buffer.poolSize = POOL_SIZE
}
