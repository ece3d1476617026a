import type { SourceSection } from '#services/vision/config.ts'

export const SIZE = { width: 320, height: 240 }
export const OTHER_SIZE = { width: 192, height: 144 }

/** A source that can fail and recover; faults that it cannot have are left out. */
export interface BreakableSource {
  source: SourceSection
  /** Is it there when the camera begins? */
  remove?(): void | Promise<void>
  restore(): void | Promise<void>
  die?(): void | Promise<void>
  stall?(): void
  resize?(): void | Promise<void>
}
