import { setImmediate as nextTurn } from 'node:timers/promises'
import { AV_LOG_WARNING } from 'node-av/constants'
import { Log } from 'node-av/lib'

/** What FFmpeg's RTP receiver logs; there is no other sign of a gap in the sequence numbers. libavformat/rtpdec.c. */
const GAP = /^RTP: missed \d+ packets/

const open = new Set<PacketLoss>()

/**
 * Finds the packets that the loss of RTP packets has damaged. FFmpeg's HEVC decoder conceals nothing and reports nothing:
 * what is missing of a frame stays green, in the following ones too.
 */
export class PacketLoss implements Disposable {
  #losses = 0
  /** Losses when the last packets were read; the gap may be in this access unit or the next. */
  #before = 0
  #last = 0
  #waiting = false

  constructor() {
    open.add(this)
    if (open.size === 1) Log.setCallback(onMessage, { maxLevel: AV_LOG_WARNING })
  }

  /** RTP packets are missing. */
  lost(): void {
    this.#losses++
  }

  /** True for a packet that is damaged or refers to a damaged one: up to the next complete keyframe. */
  async affects({ isKeyframe }: { isKeyframe: boolean }): Promise<boolean> {
    await nextTurn() // the log of the last read may still be on its way from FFmpeg's thread
    const isDamaged = this.#losses > this.#before
    this.#before = this.#last
    this.#last = this.#losses
    if (isDamaged) this.#waiting = true
    else if (isKeyframe) this.#waiting = false
    return this.#waiting
  }

  [Symbol.dispose](): void {
    open.delete(this)
    if (open.size === 0) Log.resetCallback()
  }
}

function onMessage(_level: number, message: string): void {
  if (GAP.test(message)) for (const loss of open) loss.lost()
}
