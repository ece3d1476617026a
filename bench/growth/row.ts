/** What one size of the work costs. */
export interface GrowthRow {
  /** What grows: the heading of its table. */
  group: string
  name: string
  /** Percent of one core, by what took it. */
  cpu: Record<string, number>
  /** Frames a second, the lowest of all receivers. */
  fps: number
  /** What was encoded. */
  size: string
  /** Proportional memory of the stack or process, MiB. */
  pssMiB: number
  load: number
}
