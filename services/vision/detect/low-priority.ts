import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/** What `nice` calls 10: gets what is left where cores are few. */
const NICE = 10

/**
 * Puts the thread that calls this behind all others. Linux keeps priorities by thread, though its name says process;
 * threads begun by this one later inherit it. Elsewhere nothing happens. setpriority(2), "C library/kernel differences".
 */
export function lowerPriority(): void {
  try {
    // of the calling thread, so it must be the synchronous call: <pid>/task/<tid>
    const tid = readlinkSync('/proc/thread-self').split('/').at(-1)
    setPriority(Number(tid), NICE)
  } catch {
    // no Linux, or not allowed to: then all threads are equal
  }
}
