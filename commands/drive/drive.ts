/** Commands that set the speed of both sides; they are one thing with one meaning (API_CONTRACT 2.2). */
const DRIVE = new Set(['motor', 'motor_command', 'drive'])
/** Commands that stop whatever moves. */
const STOP = new Set(['stop', 'emergency_stop'])

/** A stick that is let go seldom rests at 0 exactly (FIELD_FAILURES B23). */
const DEADZONE = 0.1
/** The motors never get more than this share of their power. */
const MOST = 0.7

/** Speeds of the left and the right side, -0.7..0.7; forward is positive. */
export interface Speeds {
  left: number
  right: number
}

export function isDrive(name: string): boolean {
  return DRIVE.has(name)
}

/** The speeds that a drive command means: whole percents, within bounds, and 0 for what is no number. API_CONTRACT 3.3. */
export function speeds(params: Readonly<Record<string, unknown>>): Speeds {
  return { left: speed(params.left), right: speed(params.right) }
}

/** Whether a command stops the robot: then nothing may hold it up (API_CONTRACT 2.2). */
export function isStop(name: string, params: Readonly<Record<string, unknown>>): boolean {
  if (STOP.has(name)) return true
  const { left, right } = speeds(params)
  return isDrive(name) && left === 0 && right === 0
}

function speed(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.abs(value) < DEADZONE) return 0
  const clamped = Math.min(1, Math.max(-1, value))
  return Math.min(MOST, Math.max(-MOST, Math.trunc(clamped * 100) / 100))
}
