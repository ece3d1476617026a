import { ContractError } from '#bus/contract-error.ts'
import { INTEGER_FIELDS } from '#bus/events.ts'
import { isObject } from './frame.ts'

/** The relay drops the robot at 1,000 levels of nesting (API_CONTRACT 8); nobody needs a fraction of that. */
const MAX_DEPTH = 32

/**
 * The value as apps and relay can stand it: strings well formed, since a lone surrogate closes the app's socket; no
 * NaN; what must be an integer is one; a `dog_id` is text. What cannot be is null, never 0. API_CONTRACT 2.4 and 8.
 * Throws {@link ContractError} beyond {@link MAX_DEPTH} levels.
 */
function wireValue(value: unknown, key = '', depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new ContractError(`nested deeper than ${MAX_DEPTH} levels`)
  if (key === 'dog_id') return typeof value === 'string' ? value.toWellFormed() : null
  if (INTEGER_FIELDS.has(key)) return integer(value)
  if (typeof value === 'string') return value.toWellFormed()
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (Array.isArray(value)) return value.map((entry) => wireValue(entry, '', depth + 1))
  if (isObject(value)) return wireFields(value, depth + 1)
  return value
}

/** {@link wireValue} of every field. */
export function wireFields(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key, value]) => key !== '__proto__' && value !== undefined)
      .map(([key, value]) => [key.toWellFormed(), wireValue(value, key, depth)]),
  )
}

function integer(value: unknown): number | null {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number') return null
  const whole = Math.trunc(number)
  // above 2^53 a JSON number may be written with an exponent, which is no integer for an app
  return Number.isSafeInteger(whole) ? whole + 0 : null
}
