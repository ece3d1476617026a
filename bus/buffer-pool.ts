/** Node's default is 64 KiB. */
const POOL_BYTES = 1024

/**
 * Works around a leak in mqtt-packet 9: it caches one small Buffer for each packet length below 16384 that it has
 * written, and each of them retains the slab of Node's pool that it was cut from, 1 GB in total.
 */
export function shrinkBufferPool(): void {
  Buffer.poolSize = POOL_BYTES
}
