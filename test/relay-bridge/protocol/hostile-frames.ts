import fc from 'fast-check'

/** A frame as it goes over the wire: text, or bytes in a binary frame. */
export type WireFrame = string | Buffer

const ids = fc.constantFrom('S', 'T', '', 'x'.repeat(300), 5, null, { a: 1 }, [])
const words = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom('__proto__', 'constructor', 'a/b', '#', '\ud800', '\0'),
)
const odd = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.anything({ maxDepth: 2, maxKeys: 4 }).filter((value) => typeof value !== 'bigint'),
  },
  fc.constantFrom('1', '1e999', -0, 1e308, '0x10', 'NaN', '2026-02-30T99:99', {}, [], null, true),
  words,
)
/** `fc.webUrl()` takes a second of CPU time to be made. */
const urls = fc
  .tuple(
    fc.constantFrom('http', 'https'),
    fc.constantFrom('example.com', 'user@a.b:8000', '[::1]', '192.0.2.1:0'),
    fc.string({ maxLength: 20 }),
    fc.constantFrom('', '?a=%20', '#%F0%9F%90%95'),
  )
  .map(([scheme, authority, path, rest]) => `${scheme}://${authority}/${encodeURIComponent(path)}${rest}`)
const params = fc.dictionary(
  fc.oneof(words, fc.constantFrom('count', 'left', 'right', 'data', 'timestamp')),
  odd,
  { maxKeys: 4 },
)

const TYPES = [
  'webrtc_request',
  'webrtc_answer',
  'webrtc_ice',
  'webrtc_close',
  'session_ended',
  'command',
  'profiles',
  'user_connected',
  'user_disconnected',
  'voice_command_updated',
  'voice_command_deleted',
  'activity_clear',
  'audio_message',
  'audio_request',
  'ping',
  'pong',
  'auth_result',
]
const FIELDS: Record<string, fc.Arbitrary<unknown>> = {
  session_id: ids,
  sdp: fc.oneof(fc.record({ type: fc.constant('answer'), sdp: words }), odd),
  candidate: fc.oneof(fc.record({ candidate: words, sdpMid: odd, sdpMLineIndex: odd }), odd),
  ice_servers: odd,
  reason: odd,
  command: fc.oneof(fc.constantFrom('motor', 'stop', 'treat', 'set_mode', 'reload_dogs'), words, odd),
  data: fc.oneof(params, odd),
  timestamp: odd,
  id: odd,
  profiles: fc.oneof(
    fc.array(fc.record({ dog_id: fc.oneof(words, odd), name: odd, color: odd }), { maxLength: 4 }),
    odd,
  ),
  dog_id: fc.oneof(words, odd),
  command_id: fc.oneof(words, odd),
  audio_url: fc.oneof(urls, words, odd),
  updated_at: fc.oneof(words, odd),
  user_id: odd,
  device_id: fc.oneof({ weight: 9, arbitrary: fc.constant('wimz_robot_99') }, odd),
}
const object = fc
  .record(
    { type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...TYPES) }, words, odd), ...FIELDS },
    { requiredKeys: [] },
  )
  .map((frame) => json(frame))

/** As the sender's JSON library would write it; what cannot be written is null. */
function json(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_key, entry: unknown) => (typeof entry === 'bigint' ? String(entry) : entry)) ??
      'null'
    )
  } catch {
    return 'null'
  }
}

/** A good frame with a piece cut out, doubled, or replaced. */
const mutated = fc
  .tuple(
    object,
    fc.nat(),
    fc.nat(12),
    fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('{', '[', '"', '\\', '}', ',', '\0', 'e9')),
  )
  .map(([text, at, length, piece]) => {
    const start = at % (text.length + 1)
    return text.slice(0, start) + piece + text.slice(start + length)
  })

const proto = fc
  .tuple(
    fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString'),
    fc.constantFrom(...TYPES),
    fc.jsonValue(),
  )
  .map(
    ([key, type, value]) =>
      `{"type":"${type}","session_id":"S","${key}":${json(value)},"data":{"${key}":${json(value)}}}`,
  )
const deep = fc
  .tuple(
    fc.constantFrom('[', '{"a":', '[{"b":'),
    fc.constantFrom(10, 60, 70, 1_000, 20_000),
    fc.constantFrom(...TYPES),
  )
  .map(([piece, levels, type]) => {
    const closing = [...piece]
      .reverse()
      .map((char) => ({ '[': ']', '{': '}' })[char] ?? '')
      .join('')
    return `{"type":"${type}","session_id":"S","data":${piece.repeat(levels)}1${closing.repeat(levels)}}`
  })
const huge = fc
  .tuple(
    fc.constantFrom(...TYPES),
    fc.constantFrom('A', 'ü', '\\u0000', '\\ud800'),
    fc.constantFrom(10_000, 100_000),
  )
  .map(
    ([type, char, times]) =>
      `{"type":"${type}","session_id":"S","dog_id":"d","data":"${char.repeat(times)}"}`,
  )
const numbers = fc
  .tuple(
    fc.constantFrom(...TYPES),
    fc.constantFrom('1e999', '-1e-999', '9'.repeat(400), '0.'.padEnd(500, '3'), '"5"', '-0'),
  )
  .map(
    ([type, number]) =>
      `{"type":"${type}","session_id":"S","timestamp":${number},"data":{"count":${number}},"candidate":{"sdpMLineIndex":${number}}}`,
  )
const raw = fc.uint8Array({ maxLength: 64 })

const frame: fc.Arbitrary<WireFrame> = fc.oneof(
  { weight: 400, arbitrary: object },
  { weight: 300, arbitrary: mutated },
  { weight: 80, arbitrary: fc.json({ maxDepth: 3 }) },
  { weight: 80, arbitrary: proto },
  { weight: 40, arbitrary: numbers },
  { weight: 50, arbitrary: raw.map((bytes) => Buffer.from(bytes).toString('latin1')) },
  { weight: 40, arbitrary: raw.map((bytes) => Buffer.from(bytes)) },
  { weight: 2, arbitrary: deep },
  { weight: 1, arbitrary: huge },
)

/** `count` frames that a broken or hostile relay may send: the same for the same seed. */
export function hostileFrames(count: number, seed: number): WireFrame[] {
  return fc.sample(frame, { numRuns: count, seed })
}
