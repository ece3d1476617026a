export interface Accepted {
  file: string
  /** The line before the change, trimmed. */
  text: string
  /** Which part of the line, where several have the same replacement. */
  find?: string
  replace: string
  reason: string
}

/** Generated faults that change nothing that is promised. */
export const ACCEPTED: readonly Accepted[] = []
