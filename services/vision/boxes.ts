import type { Detections } from '#bus/messages.ts'

/** Boxes of a picture older than this are not drawn any more. Milliseconds. */
const LIFETIME = 1_000

/** What the detector saw last. */
export interface Boxes {
  /** `at`: when the picture was taken, by `performance.now()`. */
  set(objects: Detections['objects'], at: number): void
  /** The boxes to draw on a picture taken at that time. */
  at(at: number): Detections['objects']
}

export function createBoxes(): Boxes {
  let newest: { objects: Detections['objects']; at: number } | undefined
  return {
    set(objects, at) {
      newest = { objects, at }
    },
    at: (at) => (newest && at - newest.at <= LIFETIME ? newest.objects : []),
  }
}
