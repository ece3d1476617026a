import type { Logger } from '#lib/logger.ts'
import { Governor, type Relief } from './governor.ts'

/** Milliseconds. */
const EVERY = 1_000
/** Ages that are kept for the summary. */
const KEPT = 300

export interface LoadOptions {
  log: Logger
  /** Is there a detector at work, whose rate could fall? */
  detecting(): boolean
  /** From now on do without that. */
  onRelief(relief: Relief): void
}

/** Watches whether this machine keeps up with the video, and says what to do without when it does not. */
export interface Load extends Disposable {
  /** A picture was published, so many ms after it was taken. */
  published(age: number): void
  /** A picture was left out because its encoder was busy. */
  dropped(): void
  /** What `vision/state` says: how old pictures are when they leave, and what is done without. */
  readonly summary: { age_ms: { p50: number; p95: number } | null; level: number } & Relief
}

export function watchLoad({ log, detecting, onRelief }: LoadOptions): Load {
  const governor = new Governor()
  let recent: number[] = []
  let ages: number[] = []
  let dropped = 0
  const judge = () => {
    const second = { published: ages.length, dropped, age: percentile(ages, 0.95) ?? 0 }
    ages = []
    dropped = 0
    if (!governor.judge(second, detecting())) return
    log.warn({ ...second, ...governor.relief }, 'video costs more or less than this machine has')
    onRelief(governor.relief)
  }
  const timer = setInterval(judge, EVERY)
  timer.unref()
  return {
    published(age) {
      ages.push(age)
      recent.push(age)
      if (recent.length > 2 * KEPT) recent = recent.slice(-KEPT)
    },
    dropped() {
      dropped++
    },
    get summary() {
      const p50 = percentile(recent.slice(-KEPT), 0.5)
      const p95 = percentile(recent.slice(-KEPT), 0.95)
      const rounded = (age: number) => Math.round(age * 10) / 10
      return {
        age_ms: p50 === undefined || p95 === undefined ? null : { p50: rounded(p50), p95: rounded(p95) },
        level: governor.level,
        ...governor.relief,
      }
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

function percentile(values: readonly number[], part: number): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]
}
