import { totalmem } from 'node:os'

/** Below this part of the memory that we may use, the machine is about to stand still. */
const SCARCE = 0.04
/** Looks in a row that must find it so: a peak of somebody else's is over by then. */
const LOOKS = 3

/** What may still be had and what there is in all, in bytes; of the container, where there is one. */
export interface Memory {
  available: number
  total: number
}

/**
 * Calls `scarce` when memory has been short three times in a row, and again after three more for as long as that lasts
 * (API_CONTRACT 4.3 P27: the Python robot closed every session at 95 %). `every` in milliseconds.
 */
export function watchMemory(
  scarce: (memory: Memory) => void,
  every: number,
  read: () => Memory = readMemory,
): Disposable {
  let short = 0
  const look = () => {
    const memory = read()
    short = memory.available < memory.total * SCARCE ? short + 1 : 0
    if (short < LOOKS) return
    short = 0
    scarce(memory)
  }
  const timer = setInterval(look, every)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function readMemory(): Memory {
  const limit = process.constrainedMemory()
  // without a limit it says 0, or more than there is
  const total = limit > 0 && limit < totalmem() ? limit : totalmem()
  return { available: process.availableMemory(), total }
}
