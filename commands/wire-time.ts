/**
 * A time from the wire in milliseconds since the epoch, or undefined when there is none. Units differ between apps: a
 * number below 1e11 is seconds, above milliseconds; numeric text likewise; other text is an ISO date. Never throws.
 */
export function wireTime(value: unknown): number | undefined {
  if (typeof value === 'number') return fromNumber(value)
  if (typeof value !== 'string' || value.trim() === '') return undefined
  const number = Number(value)
  if (!Number.isNaN(number)) return fromNumber(number)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : date
}

function fromNumber(value: number): number | undefined {
  if (!Number.isFinite(value)) return undefined
  return Math.abs(value) < 1e11 ? value * 1000 : value
}
