import { createBackoff } from '#lib/backoff.ts'
import { type Ending, reactionTo } from './ending.ts'

/** When to dial again, and how. */
export interface Retry {
  /** Wait in ms. */
  wait: number
  /** A human must act. */
  alarm?: 'auth_failed' | 'wrong_url' | 'duplicate_device_id'
  /** Try the old message form this time. */
  oldSignature: boolean
}

/** A link shorter than this proves nothing, so the backoff goes on. API_CONTRACT 1.4. */
const USEFUL = 30_000
/** After a minute of fast retries the cap rises to this. */
const SLOW_CAP = 30_000
const FAST_TRIES = 30
const DUPLICATE_CLOSES = 3

/** Decides how long to wait after each ending. API_CONTRACT 1.4: full jitter, never a tight loop. */
export function createRetrySchedule(fastCap: number, random: () => number = Math.random) {
  const fast = createBackoff({ first: Math.min(1_000, fastCap), cap: fastCap, least: 50, random })
  const slow = createBackoff({ first: SLOW_CAP / 2, cap: SLOW_CAP, least: 1_000, random })
  let failures = 0
  let refusals = 0
  let quickCloses = 0

  const between = (from: number, to: number) => from + random() * (to - from)
  const afterRefusal = (alarm: 'auth_failed' | 'wrong_url'): Retry => {
    refusals++
    // 30 s, 60 s … 5 min, spread by a fifth; the second refusal tries the message form of an old relay, once
    const nominal = Math.min(300_000, 30_000 * 2 ** (refusals - 1))
    return { wait: nominal * between(0.9, 1.1), alarm, oldSignature: refusals === 2 }
  }
  const afterQuickClose = (): Retry | undefined => {
    quickCloses++
    if (quickCloses < DUPLICATE_CLOSES) return undefined
    return { wait: between(30_000, 60_000), alarm: 'duplicate_device_id', oldSignature: false }
  }
  const afterLoss = (): Retry => {
    failures++
    return { wait: (failures <= FAST_TRIES ? fast : slow).next(), oldSignature: false }
  }

  return {
    next(ending: Ending): Retry {
      const reaction = reactionTo(ending)
      if (ending.usefulFor > 0) refusals = 0
      if (ending.usefulFor >= USEFUL) {
        failures = 0
        fast.reset()
        slow.reset()
      }
      if (reaction !== 'duplicate') quickCloses = 0
      switch (reaction) {
        case 'refused':
          return afterRefusal('auth_failed')
        case 'wrong-url':
          return afterRefusal('wrong_url')
        case 'duplicate':
          return afterQuickClose() ?? afterLoss()
        case 'superseded':
          return { wait: between(30_000, 60_000), alarm: 'duplicate_device_id', oldSignature: false }
        case 'at-once':
          return { wait: between(0, 1_000), oldSignature: false }
        case 'soon':
          return { wait: between(500, 2_000), oldSignature: false }
        case 'backoff':
          return afterLoss()
      }
    },
  }
}
