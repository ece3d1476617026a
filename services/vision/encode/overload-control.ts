import type { Logger } from '#lib/logger.ts'
import { type Percentiles, PercentileWindow, percentilesOf } from '#lib/metrics/percentile-window.ts'
import { Governor, type Relief } from './governor.ts'

/** Milliseconds. */
const EVERY = 1_000

export interface LoadOptions {
  log: Logger
  /** Is there a detector at work, whose rate could fall? */
  detecting(): boolean
  /** From now on do without that. */
  onRelief(relief: Relief): void
}

/** Watches whether this machine keeps up with the video, and says what to do without when it does not. */
export interface Load extends Disposable {
  /** A picture was published, so many ms after it was taken; so many of them its encoder took. */
  published(times: { age: number; encoding: number }): void
  /** A picture was left out because its encoder was busy. */
  dropped(): void
  /** What `vision/state` says: how old pictures are when they leave, what encoding takes, and what is done without. */
  readonly summary: { age_ms: Percentiles | null; encode_ms: Percentiles | null; level: number } & Relief
}

export function watchLoad({ log, detecting, onRelief }: LoadOptions): Load {
  const governor = new Governor()
  const [age, encoding] = [new PercentileWindow(), new PercentileWindow()]
  let ages: number[] = []
  let dropped = 0
  const judge = () => {
    const second = { published: ages.length, dropped, age: percentilesOf(ages)?.p95 ?? 0 }
    ages = []
    dropped = 0
    if (!governor.judge(second, detecting())) return
    log.warn({ ...second, ...governor.relief }, 'video costs more or less than this machine has')
    onRelief(governor.relief)
  }
  const timer = setInterval(judge, EVERY)
  timer.unref()
  return {
    published(times) {
      ages.push(times.age)
      age.add(times.age)
      encoding.add(times.encoding)
    },
    dropped() {
      dropped++
    },
    get summary() {
      return {
        age_ms: age.percentiles(),
        encode_ms: encoding.percentiles(),
        level: governor.level,
        ...governor.relief,
      }
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
