/** Size and rate of the clip, and the positions of the animals over time. */
export const WIDTH = 1280
export const HEIGHT = 720
export const FPS = 15
export const SECONDS = 40

export interface Rect {
  x: number
  y: number
  width: number
  height: number
}

/** The pane of the garden window, where the cat appears. */
export const PANE: Rect = { x: 790, y: 96, width: 390, height: 276 }

/** dog.png is 194×222, facing right. */
const DOG = { width: 194, height: 222, scale: 1.7 }
/** y of the dog's feet. */
export const DOG_FEET = 668
/** cat.png is 451×300; at this size it fills the pane. */
export const CAT = { width: 451, height: 300, scale: 0.92 }
/** Part of cat.png that is cat, in its pixels. */
export const CAT_HEAD: Rect = { x: 0, y: 0, width: 405, height: 300 }

export interface DogPose extends Rect {
  facing: 'right' | 'left'
  /** Radians. */
  tilt: number
}

interface Leg {
  from: number
  to: number
  start: number
  end: number
}

const OUT_LEFT = -320
const OUT_RIGHT = WIDTH + 40

/** x of the dog's left edge: it runs in, walks, stops, leaves; comes back past the window, rests, leaves. Seconds. */
const WALK: readonly Leg[] = [
  { start: 1, end: 1.8, from: OUT_LEFT, to: 10 },
  { start: 1.8, end: 7, from: 10, to: 560 },
  { start: 7, end: 10, from: 560, to: 560 },
  { start: 10, end: 15.2, from: 560, to: 10 },
  { start: 15.2, end: 16, from: 10, to: OUT_LEFT },
  { start: 21, end: 21.8, from: OUT_RIGHT, to: 960 },
  { start: 21.8, end: 23.6, from: 960, to: 480 },
  { start: 23.6, end: 26, from: 480, to: 260 },
  { start: 26, end: 34, from: 260, to: 260 },
  { start: 34, end: 37, from: 260, to: 10 },
  { start: 37, end: 37.8, from: 10, to: OUT_LEFT },
]

/** x of the cat: it enters from the right, stays, leaves. */
const LOOK: readonly Leg[] = [
  { start: 17, end: 19, from: PANE.x + PANE.width, to: PANE.x + 10 },
  { start: 19, end: 31, from: PANE.x + 10, to: PANE.x + 10 },
  { start: 31, end: 33, from: PANE.x + 10, to: PANE.x + PANE.width },
]

/** The dog at this time, undefined while it is absent. */
export function dogAt(seconds: number): DogPose | undefined {
  const leg = legAt(WALK, seconds)
  if (!leg) return undefined
  const walking = leg.from !== leg.to
  const step = seconds * Math.PI * 3.2
  const previous = walking ? leg : WALK[WALK.indexOf(leg) - 1]
  return {
    x: positionAt(leg, seconds),
    y:
      DOG_FEET -
      DOG.height * DOG.scale +
      (walking ? Math.abs(Math.sin(step)) * -8 : Math.sin(seconds * 2) * 1.5),
    width: DOG.width * DOG.scale,
    height: DOG.height * DOG.scale,
    facing: previous && previous.to < previous.from ? 'left' : 'right',
    tilt: walking ? Math.sin(step) * 0.025 : 0,
  }
}

/** The whole cat at this time, undefined while it is absent; only the part inside the pane is visible. */
export function catAt(seconds: number): Rect | undefined {
  const leg = legAt(LOOK, seconds)
  if (!leg) return undefined
  const resting = leg.from === leg.to
  return {
    x: positionAt(leg, seconds) + (resting ? Math.sin((seconds - leg.start) * 0.9) * 6 : 0),
    y: PANE.y,
    width: CAT.width * CAT.scale,
    height: CAT.height * CAT.scale,
  }
}

function legAt(legs: readonly Leg[], seconds: number): Leg | undefined {
  return legs.find(({ start, end }) => seconds >= start && seconds < end)
}

function positionAt({ from, to, start, end }: Leg, seconds: number): number {
  const part = (seconds - start) / (end - start)
  return from + (to - from) * part
}
