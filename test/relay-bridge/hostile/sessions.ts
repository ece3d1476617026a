const MALFORMED_MOTORS = [
  { left: 'x', right: 'y' },
  { left: null, right: null },
  { left: [1], right: { a: 1 } },
  { left: 'NaN', right: 'Infinity' },
  { left: true, right: true },
  { left: {}, right: [] },
  {},
  [],
  'forward',
  { speed: 'fast' },
  { __proto__: { left: 1, right: 1 } },
]

const IDS: readonly unknown[] = [
  ...[
    'A',
    'a',
    'A ',
    '',
    ' ',
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'toString',
    '../../x',
    'a/b',
    '#',
    '+',
  ],
  ...[
    '\u0000',
    '\ud800',
    '\u202e gnp',
    '🐕'.repeat(40),
    'ü'.repeat(255),
    'x'.repeat(2 ** 20),
    '0',
    '-1',
    'null',
  ],
  ...[0, -1, 1e308, null, true, [], ['A'], {}, { toString: 'A' }],
]

const SDPS = [
  ...['', 'v=0', 'v=0\r\n'.repeat(10_000), 'm=video 9 UDP/TLS/RTP/SAVPF 96\r\n'.repeat(2_000)],
  ...[null, 5, [], {}, 'a=fingerprint:sha-256 00', 'x'.repeat(2 ** 20), '\u0000'],
]

const SERVERS = [
  [{ urls: 'stun:127.0.0.1:1' }],
  Array.from({ length: 1_000 }, (_, i) => ({
    urls: `turn:127.0.0.1:${i + 1}`,
    username: 'u',
    credential: 'c',
  })),
  [{ urls: ['turn:', 'stun:', 'turns:127.0.0.1:1?transport=x', '', null, 5] }],
  [{ urls: `turn:${'x'.repeat(100_000)}`, username: 'u'.repeat(100_000), credential: {} }],
  [null, 5, 'stun:127.0.0.1', []],
  'stun:127.0.0.1:1',
  { length: 1e9 },
]

/** Only addresses of this machine, which a robot may check. */
function candidateOf(i: number): unknown {
  const foundation = i % 3 === 0 ? 'x'.repeat(i % 500) : String(i)
  const address = i % 5 === 0 ? '127.0.0.1' : ['::1', '127.0.0.2', 'no address', ''][i % 4]
  const candidate = `candidate:${foundation} 1 udp ${2 ** 31 + i} ${address} ${i % 70_000} typ host`
  return {
    candidate: i % 7 === 0 ? null : candidate,
    sdpMid: [0, '0', null, 'x'][i % 4],
    sdpMLineIndex: (i % 9) - 4,
  }
}

/** Frames of a relay that breaks every rule of signaling, and malformed moves. `pick` returns a number below its argument. */
export function* hostileSession(pick: (below: number) => number): Generator<unknown> {
  const id = () => IDS[pick(IDS.length)]
  const sdp = () => ({ type: ['answer', 'offer', 'pranswer', 5][pick(4)], sdp: SDPS[pick(SDPS.length)] })
  for (let i = 0; ; i++) {
    const move = MALFORMED_MOTORS[i % MALFORMED_MOTORS.length]
    yield { type: 'webrtc_answer', session_id: id(), sdp: sdp() }
    yield { type: 'webrtc_request', session_id: id(), ice_servers: SERVERS[pick(SERVERS.length)] }
    yield { type: 'webrtc_ice', session_id: id(), candidate: candidateOf(i) }
    yield { command: 'motor', data: move, session_id: id() }
    yield { command: 'motor', ...(typeof move === 'object' ? move : { data: move }) }
    yield { type: 'webrtc_close', session_id: id(), reason: IDS[pick(IDS.length)] }
    // a client that takes the id of a session that runs, and its candidates without end
    yield { type: 'webrtc_request', session_id: 'A', ice_servers: [] }
    for (let n = 0; n < 50; n++)
      yield { type: 'webrtc_ice', session_id: 'A', candidate: candidateOf(i * 50 + n) }
    yield { type: 'session_ended', session_id: id(), user_id: id() }
    yield { type: 'user_disconnected', user_id: id(), timestamp: pick(2) ? 'NaN' : -1 }
  }
}
