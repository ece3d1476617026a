import { z } from 'zod'

/**
 * A number, also as text, since `${NAME}` always yields text. Anything else is rejected: an empty key is `null`, which
 * JavaScript would coerce to 0.
 */
export const number = z
  .union([z.number(), z.string().trim().min(1, 'expected a number')], 'expected a number')
  .pipe(z.coerce.number<number | string>('expected a number'))
