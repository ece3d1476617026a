import type { ZoneSection } from '../config.ts'
import type { Box } from '../detect/nms.ts'

/** A box that jitters on the edge of a zone neither enters nor leaves: it must stay for so long. Milliseconds. */
const SETTLE = 300

/** Is the point inside the polygon? Crossings of a ray to the right, as PNPOLY counts them. */
export function contains(points: ZoneSection['points'], x: number, y: number): boolean {
  let inside = false
  for (const [i, [x1, y1]] of points.entries()) {
    const [x2, y2] = points.at(i - 1) ?? [0, 0]
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside
  }
  return inside
}

/** Where something stands: the middle of its lower edge. */
export function footOf([x, y, width, height]: Box): [x: number, y: number] {
  return [x + width / 2, y + height]
}

/** One thing and one zone. Times in milliseconds of a monotonic clock. */
export class Stay {
  readonly #zone: ZoneSection
  #inside = false
  #since = 0
  /** When it seemed to change sides, and is not believed yet. */
  #doubtful: number | undefined
  entered = false

  constructor(zone: ZoneSection) {
    this.#zone = zone
  }

  get inside(): boolean {
    return this.#inside
  }

  /** It has been inside for the zone's `dwell`. */
  dwells(at: number): boolean {
    return this.#inside && at - this.#since >= this.#zone.dwell * 1000
  }

  update(label: string, box: Box, at: number): void {
    const { points, labels } = this.#zone
    const meant = labels.length === 0 || labels.includes(label)
    const inside = meant && contains(points, ...footOf(box))
    if (inside === this.#inside) {
      this.#doubtful = undefined
      return
    }
    this.#doubtful ??= at
    if (at - this.#doubtful < SETTLE) return
    this.#inside = inside
    // it was there when it was first seen there
    this.#since = this.#doubtful
    this.#doubtful = undefined
    this.entered ||= inside
  }
}
