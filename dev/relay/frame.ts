/** A JSON object on the wire. */
export type Frame = Record<string, unknown>

export function isObject(value: unknown): value is Frame {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parsed JSON, or undefined for text that is none. */
export function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined // the relay shrugs at it
  }
}

/** The field, if it is text. */
export function text(frame: Frame, key: string): string | undefined {
  const value = frame[key]
  return typeof value === 'string' ? value : undefined
}

/** The frame without these keys. */
export function without(frame: Frame, ...keys: string[]): Frame {
  return Object.fromEntries(Object.entries(frame).filter(([key]) => !keys.includes(key)))
}
