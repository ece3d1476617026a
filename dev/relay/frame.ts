/** A JSON object on the wire. */
export type Frame = Record<string, unknown>

export function isObject(value: unknown): value is Frame {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Nesting depth at which the parser of the relay in the cloud fails. */
const MAX_DEPTH = 1_000

/** Parsed JSON, or undefined for text that is not JSON. A value that is nested too deep to be forwarded is undefined. */
export function parseJson(text: string): { value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return { value: isDeeperThan(value, MAX_DEPTH) ? undefined : value }
  } catch {
    return undefined // the relay in the cloud ignores it
  }
}

function isDeeperThan(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return limit === 0 || Object.values(value).some((entry) => isDeeperThan(entry, limit - 1))
}

/** The field, if it is a string. */
export function text(frame: Frame, key: string): string | undefined {
  const value = frame[key]
  return typeof value === 'string' ? value : undefined
}

/** The frame without these keys. */
export function without(frame: Frame, ...keys: string[]): Frame {
  return Object.fromEntries(Object.entries(frame).filter(([key]) => !keys.includes(key)))
}
