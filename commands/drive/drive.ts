/** Commands that set the speed of both sides: three names of one command. */
const DRIVE = new Set(['motor', 'motor_command', 'drive'])
/** Commands that stop whatever moves. */
export const STOP_NAMES = ['stop', 'emergency_stop'] as const
const STOP: ReadonlySet<string> = new Set(STOP_NAMES)

/** A released stick seldom rests at 0 exactly. */
const DEADZONE = 0.1
/** Highest share of their power that the motors get. */
const MAX_SPEED = 0.7

/** Speeds of the left and the right side, -0.7..0.7; forward is positive. */
export interface Speeds {
  left: number
  right: number
}

export function isDrive(name: string): boolean {
  return DRIVE.has(name)
}

export function isStopName(name: string): boolean {
  return STOP.has(name)
}

/** The speeds of a drive command: whole percents, within bounds, and 0 for anything but a number. */
export function speeds(params: Readonly<Record<string, unknown>>): Speeds {
  return { left: speed(params.left), right: speed(params.right) }
}

/** Whether a command stops the robot: then no other rule may delay it. */
export function isStop(name: string, params: Readonly<Record<string, unknown>>): boolean {
  return isStopName(name) || (isDrive(name) && isZero(speeds(params)))
}

export function isZero({ left, right }: Speeds): boolean {
  return left === 0 && right === 0
}

function speed(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || Math.abs(value) < DEADZONE) return 0
  const clamped = Math.min(1, Math.max(-1, value))
  return Math.min(MAX_SPEED, Math.max(-MAX_SPEED, Math.trunc(clamped * 100) / 100))
}
