import assert from 'node:assert/strict'

/** The data of these is the base64 text itself. */
export const TEXT_DATA: readonly string[] = ['photo', 'audio_message']

/** Types to which the app casts a field, which throws in it for any other (docs/relay-protocol.md, events). */
const CASTS: Record<string, 'double' | 'int' | 'string' | 'object'> = {
  target_sec: 'double',
  confidence: 'double',
  loudness_db: 'double',
  progress: 'double',
  temperature: 'double',
  voltage: 'double',
  level: 'double',
  treats_today: 'int',
  treats_remaining: 'int',
  remaining: 'int',
  duration_ms: 'int',
  stage_number: 'int',
  dog_id: 'string',
}

/** Fails where a cast of the app would throw on the text of an event. */
export function checkCasts(name: string, text: string): void {
  const kinds = kindsOf(text)
  const data = TEXT_DATA.includes(name) ? 'string' : 'object'
  if (kinds.has('event')) assert.deepEqual([...(kinds.get('data') ?? [])], [data], name)
  for (const [key, kind] of Object.entries(CASTS)) {
    const wrong = [...(kinds.get(key) ?? [])].filter((found) => found !== kind && found !== 'null')
    assert.deepEqual(wrong, [], `${name}.${key}`)
  }
}

/** The kinds of value of each key, as Dart's parser distinguishes them: a number without a fraction is an int. */
function kindsOf(text: string): Map<string, Set<string>> {
  const kinds = new Map<string, Set<string>>()
  const visit = (key: string, value: unknown, { source }: { source?: string }) => {
    const number = source && /[.eE]/.test(source) ? 'double' : 'int'
    const kind = value === null ? 'null' : typeof value === 'number' ? number : typeof value
    kinds.set(key, (kinds.get(key) ?? new Set()).add(kind))
    return value
  }
  JSON.parse(text, visit as (key: string, value: unknown) => unknown)
  return kinds
}
