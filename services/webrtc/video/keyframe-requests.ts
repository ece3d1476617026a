/** At most two keyframes a second, in milliseconds: each is many times the size of another picture. */
export const MIN_INTERVAL = 500

/** Asks for keyframes of one layer, at most two a second: what comes sooner is asked when its time has come. */
export interface KeyframeRequests extends Disposable {
  request(): void
  /** A keyframe came: what is still to be asked has been answered. */
  arrived(): void
}

export function createKeyframeRequests(ask: () => void, minInterval = MIN_INTERVAL): KeyframeRequests {
  let last = Number.NEGATIVE_INFINITY
  let waiting: NodeJS.Timeout | undefined
  const askNow = () => {
    waiting = undefined
    last = performance.now()
    ask()
  }
  const forget = () => {
    clearTimeout(waiting)
    waiting = undefined
  }
  return {
    request() {
      if (waiting) return
      const wait = last + minInterval - performance.now()
      if (wait <= 0) askNow()
      else waiting = setTimeout(askNow, wait)
    },
    arrived: forget,
    [Symbol.dispose]: forget,
  }
}
