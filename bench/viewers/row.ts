/** What so many viewers of one server receive, and what they cost. */
export interface ViewersRow {
  server: string
  viewers: number
  /** Percent of one core, all processes of the server. */
  cpu: number
  perProcess: Record<string, number>
  rssMiB: number
  fps: { min: number; mean: number }
  mbits: number
  /** ms */
  gapP99: number
  jitterP99: number
  lost: number
  load: number
}
