import type { Source } from './sources.ts'

/**
 * Words that make persons of clients and services, or that the field does not use, and British spellings. Name the thing; use
 * the technical verb.
 */
const WORDS =
  /\b(somebody|nobody|everybody|whoever|anew|meanwhile|mends?|mended|acknowledgements?|signalling|behaviours?)\b/gi

/** Each use, as `file:line: word`, in code, names of identifiers, comments, messages and prose. */
export function wordsToAvoid(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => path !== 'dev/conventions/words.ts')
    .flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, index) => {
        const separate = line.replace(/([a-z])(?=[A-Z])|_/g, '$1 ')
        return [...separate.matchAll(WORDS)].map(([word]) => `${path}:${index + 1}: ${word}`)
      }),
    )
}
