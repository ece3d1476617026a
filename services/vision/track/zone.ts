import type { ZoneSection } from '../config.ts'
import type { Box } from '../detect/nms.ts'

/** Time on the other side until it counts as entered or left: boxes jitter on the edge of a zone. */
const SETTLE_MS = 300

/** Point in polygon, by the crossings of a ray to the right (PNPOLY). */
export function contains(points: ZoneSection['points'], x: number, y: number): boolean {
  let inside = false
  for (const [i, [x1, y1]] of points.entries()) {
    const [x2, y2] = points.at(i - 1) ?? [0, 0]
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside
  }
  return inside
}

/** The point of an object that decides about zones: the middle of its lower edge. */
export function footOf([x, y, width, height]: Box): [x: number, y: number] {
  return [x + width / 2, y + height]
}

/** Presence of one track in one zone. Times in milliseconds of a monotonic clock. */
export class ZoneDwell {
  readonly #zone: ZoneSection
  #inside = false
  #since = 0
  /** Start of a change that has not settled yet. */
  #changingSince: number | undefined
  entered = false

  constructor(zone: ZoneSection) {
    this.#zone = zone
  }

  get inside(): boolean {
    return this.#inside
  }

  /** True after `dwell` seconds inside. */
  dwells(at: number): boolean {
    return this.#inside && at - this.#since >= this.#zone.dwell * 1000
  }

  update(label: string, box: Box, at: number): void {
    const { points, labels } = this.#zone
    const applies = labels.length === 0 || labels.includes(label)
    const inside = applies && contains(points, ...footOf(box))
    if (inside === this.#inside) {
      this.#changingSince = undefined
      return
    }
    this.#changingSince ??= at
    if (at - this.#changingSince < SETTLE_MS) return
    this.#inside = inside
    // it entered when it was first measured inside
    this.#since = this.#changingSince
    this.#changingSince = undefined
    this.entered ||= inside
  }
}
