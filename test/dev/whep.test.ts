import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { type Frame, type Party, ROBOT, relayFor } from './peers.ts'

const OFFER = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=ice-ufrag:aaaa\r\na=ice-pwd:bbbbbbbbbbbbbbbbbbbbbbbb\r\n'
const ANSWER = 'v=0\r\nanswer\r\n'
const FRAGMENT = 'application/trickle-ice-sdpfrag'
const TURN = { urls: ['turn:turn.example:3478', 'stun:stun.example'], username: 'u', credential: 'c' }
const CANDIDATE = 'candidate:1 1 udp 1 192.0.2.1 9 typ host'

/** The robot answers every offer. */
function answers(robot: Party, sdp = ANSWER): void {
  robot.socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as Frame
    const isOffer = frame.type === 'webrtc_offer' || (frame.type === 'webrtc_request' && frame.offer)
    if (isOffer)
      robot.send({ type: 'webrtc_answer', session_id: frame.session_id, sdp: { type: 'answer', sdp } })
  })
}

async function relayWithRobot(t: TestContext, section: object = {}, times: object = {}) {
  const relay = await relayFor(t, section, times)
  const robot = await relay.robot()
  const url = `http://${relay.address}`
  const post = (headers: Record<string, string> = {}, body = OFFER, path = '/whep') =>
    fetch(url + path, { method: 'POST', headers: { 'Content-Type': 'application/sdp', ...headers }, body })
  const patch = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(url + path, { method: 'PATCH', headers: { 'Content-Type': FRAGMENT, ...headers }, body })
  return { ...relay, robot, url, post, patch }
}

/** The problem of RFC 9457, whose `detail` says what to do. */
async function problem(response: Response): Promise<{ status: number; detail: string }> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const body = (await response.json()) as { status: number; detail: string }
  assert.equal(body.status, response.status)
  assert.ok(body.detail.length > 10)
  return body
}

test('an offer is answered with 201, the session’s URL, its entity tag and the ICE servers (RFC 9725 §4.2)', async (t) => {
  const { post, robot } = await relayWithRobot(t, {
    ice_servers: [TURN, 'stun:other', { urls: 'http://x' }, 7],
  })
  answers(robot)
  const response = await post()
  assert.equal(response.status, 201)
  assert.equal(await response.text(), ANSWER)
  assert.equal(response.headers.get('content-type'), 'application/sdp')
  assert.match(response.headers.get('location') ?? '', /^\/whep\/whep-[0-9a-f-]{36}$/)
  assert.match(response.headers.get('etag') ?? '', /^"[0-9a-f-]{36}"$/)
  assert.equal(response.headers.get('accept-patch'), FRAGMENT)
  assert.equal(
    response.headers.get('link'),
    '<turn:turn.example:3478>; rel="ice-server"; username="u"; credential="c"; credential-type="password", ' +
      '<stun:stun.example>; rel="ice-server"; username="u"; credential="c"; credential-type="password", ' +
      '<stun:other>; rel="ice-server"',
  )
  const { ice_servers, offer } = await robot.next(({ type }) => type === 'webrtc_request')
  assert.deepEqual(offer, { type: 'offer', sdp: OFFER })
  assert.ok(Array.isArray(ice_servers))
})

test('candidates go to the robot; the entity tag must be the current one (RFC 9725 §4.3.1)', async (t) => {
  const { post, patch, robot } = await relayWithRobot(t)
  answers(robot)
  const { headers } = await post()
  const [path = '', etag = ''] = [headers.get('location') ?? '', headers.get('etag') ?? '']
  const body = `a=ice-ufrag:aaaa\r\na=ice-pwd:bbbbbbbbbbbbbbbbbbbbbbbb\r\nm=video 9 x 0\r\na=mid:7\r\na=${CANDIDATE}\r\n`
  const trickled = await patch(path, body, { 'If-Match': etag })
  assert.equal(trickled.status, 204)
  assert.equal(trickled.headers.get('etag'), null)
  const { candidate } = await robot.next(({ type }) => type === 'webrtc_ice')
  assert.deepEqual(candidate, {
    candidate: CANDIDATE,
    sdpMid: '7',
    sdpMLineIndex: null,
    usernameFragment: 'aaaa',
  })
  assert.equal((await patch(path, 'a=end-of-candidates', { 'If-Match': etag })).status, 204)
  for (const [status, text, more] of [
    [428, body, {}],
    [412, body, { 'If-Match': '"other"' }],
    [412, body, { 'If-Match': `W/${etag}` }],
    [400, 'nothing', { 'If-Match': etag }],
    [400, 'a=ice-ufrag:only', { 'If-Match': etag }],
    [415, body, { 'If-Match': etag, 'Content-Type': 'application/sdp' }],
  ] as const)
    assert.equal((await problem(await patch(path, text, more))).status, status)
})

test('new credentials restart ICE: 200 with the robot’s fragment and a new entity tag (RFC 9725 §4.3.3)', async (t) => {
  const { post, patch, robot } = await relayWithRobot(t)
  answers(robot)
  const { headers } = await post()
  const [path = '', etag = ''] = [headers.get('location') ?? '', headers.get('etag') ?? '']
  const body = 'a=ice-ufrag:cccc\r\na=ice-pwd:dddddddddddddddddddddddd\r\n'
  const restarted = await patch(path, body, { 'If-Match': '*' })
  assert.equal(restarted.status, 200)
  assert.equal(restarted.headers.get('content-type'), FRAGMENT)
  assert.equal(await restarted.text(), ANSWER)
  const renewed = restarted.headers.get('etag') ?? ''
  assert.ok(renewed && renewed !== etag)
  const { sdp } = await robot.next(({ type }) => type === 'webrtc_offer')
  assert.deepEqual(sdp, { type: 'offer', sdp: body })
  assert.equal((await patch(path, body, { 'If-Match': etag })).status, 412)
  assert.equal((await patch(path, body, { 'If-Match': renewed })).status, 204, 'its candidates by now')
})

test('DELETE ends the session once; then it is not found', async (t) => {
  const { post, patch, robot, url } = await relayWithRobot(t)
  answers(robot)
  const path = (await post()).headers.get('location') ?? ''
  assert.equal((await fetch(url + path)).status, 204)
  assert.equal((await fetch(url + path, { method: 'DELETE' })).status, 200)
  const { session_id } = await robot.next(({ type }) => type === 'webrtc_close')
  assert.equal(`/whep/${session_id}`, path)
  assert.equal((await fetch(url + path, { method: 'DELETE' })).status, 404)
  assert.equal((await patch(path, `a=${CANDIDATE}`, { 'If-Match': '*' })).status, 404)
})

test('a session that the robot ends, or whose robot is gone, is not found', async (t) => {
  const { post, robot, url } = await relayWithRobot(t)
  answers(robot)
  const paths = [(await post()).headers.get('location') ?? '', (await post()).headers.get('location') ?? '']
  robot.send({ type: 'webrtc_close', session_id: paths[0]?.slice(6), reason: 'ice-failed' })
  const gone =
    (path = '') =>
    async () =>
      (await fetch(url + path)).status === 404
  await until(gone(paths[0]))
  assert.equal((await fetch(url + paths[1])).status, 204)
  robot.socket.terminate()
  await until(gone(paths[1]))
  const offline = await post()
  assert.equal(offline.headers.get('retry-after'), '5')
  assert.match((await problem(offline)).detail, /not connected/)
})

for (const [code, status] of [
  ['bad-offer', 400],
  ['no-common-codec', 422],
  ['busy', 503],
  [undefined, 503],
] as const)
  test(`the robot’s refusal ${code ?? 'without a code'} is ${status}, with its text, for this player only`, async (t) => {
    const { post, robot, app } = await relayWithRobot(t)
    const other = await app('other')
    const [response] = await Promise.all([
      post(),
      robot
        .next(({ type }) => type === 'webrtc_request')
        .then(({ session_id }) => {
          robot.send({
            type: 'webrtc_error',
            session_id,
            error: 'because of the weather',
            ...(code && { code }),
          })
        }),
    ])
    assert.equal(response.status, status)
    assert.equal((await problem(response)).detail, 'because of the weather')
    other.send({ type: 'ping' })
    await other.next(({ type }) => type === 'pong')
    assert.ok(other.frames.every(({ type }) => type !== 'webrtc_error'))
  })

test('a robot that offers instead is too old, and one that is silent times out', async (t) => {
  const { post, robot } = await relayWithRobot(t, {}, { playerAnswer: 300 })
  const [old] = await Promise.all([
    post(),
    robot
      .next(({ type }) => type === 'webrtc_request')
      .then(({ session_id }) => {
        robot.send({ type: 'webrtc_offer', session_id, sdp: { type: 'offer', sdp: 'v=0' } })
      }),
  ])
  assert.equal(old.status, 502)
  assert.match((await problem(old)).detail, /too old/)
  await robot.next(({ type }) => type === 'webrtc_close')
  assert.equal((await problem(await post())).status, 504)
  await robot.next(({ type }) => type === 'webrtc_close')
})

test('a player that leaves before the answer leaves no session', async (t) => {
  const { relay, robot } = await relayWithRobot(t)
  const asked = request({
    port: relay.port,
    path: '/whep',
    method: 'POST',
    headers: { 'Content-Type': 'application/sdp' },
  })
  asked.on('error', () => {})
  asked.end(OFFER)
  const { session_id } = await robot.next(({ type }) => type === 'webrtc_request')
  asked.destroy()
  assert.equal((await robot.next(({ type }) => type === 'webrtc_close')).session_id, session_id)
})

test('only with the token, as a header or in the URL, which the session’s URL then has as well', async (t) => {
  const { post, url, robot } = await relayWithRobot(t, { token: 'abc' })
  answers(robot)
  for (const headers of [{}, { Authorization: 'Bearer abd' }, { Authorization: 'Basic abc' }]) {
    const refused = await post(headers)
    assert.equal(refused.status, 401)
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer/)
    assert.match((await problem(refused)).detail, /local_relay\.token/)
  }
  const bearer = await post({ Authorization: 'Bearer abc' })
  const path = bearer.headers.get('location') ?? ''
  assert.doesNotMatch(path, /abc/)
  for (const method of ['GET', 'PATCH', 'DELETE'])
    assert.equal((await fetch(url + path, { method })).status, 401)
  const byQuery = await post({}, OFFER, '/whep?token=abc')
  assert.match(byQuery.headers.get('location') ?? '', /\?token=abc$/)
  assert.equal((await fetch(url + byQuery.headers.get('location'), { method: 'DELETE' })).status, 200)
})

test('pages of other sites need the token; without one in the config they are refused', async (t) => {
  const origin = { Origin: 'https://dashboard.example' }
  const closed = await relayWithRobot(t)
  answers(closed.robot)
  assert.match((await problem(await closed.post(origin))).detail, /foreign origin: set local_relay\.token/)
  const preflight = await fetch(`${closed.url}/whep`, { method: 'OPTIONS', headers: origin })
  assert.equal(preflight.status, 403)
  assert.equal(preflight.headers.get('access-control-allow-origin'), null)

  const open = await relayWithRobot(t, { token: 'abc' })
  answers(open.robot)
  const allowed = await fetch(`${open.url}/whep`, { method: 'OPTIONS', headers: origin })
  assert.equal(allowed.status, 200)
  assert.equal(allowed.headers.get('access-control-allow-origin'), '*')
  assert.equal(allowed.headers.get('access-control-allow-credentials'), null)
  assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /Authorization/)
  assert.equal(allowed.headers.get('accept-post'), 'application/sdp')
  assert.equal((await open.post(origin)).status, 401)
  const answered = await open.post({ ...origin, Authorization: 'Bearer abc' })
  assert.equal(answered.status, 201)
  assert.match(answered.headers.get('access-control-expose-headers') ?? '', /Location, ETag, Link/)
})

test('other methods, types, robots and bodies are refused with what is right', async (t) => {
  const { post, url, robot } = await relayWithRobot(t)
  answers(robot)
  const put = await fetch(`${url}/whep`, { method: 'PUT' })
  assert.equal(put.status, 405)
  assert.equal(put.headers.get('allow'), 'GET, HEAD, POST, OPTIONS')
  assert.equal((await fetch(`${url}/whep`)).status, 204)
  assert.equal((await problem(await post({ 'Content-Type': 'application/json' }))).status, 415)
  assert.equal((await problem(await post({ 'Content-Encoding': 'gzip' }))).status, 415)
  assert.equal((await post({ 'Content-Type': 'Application/SDP; charset=utf-8' })).status, 201)
  assert.equal((await problem(await post({}, OFFER, '/whep?device_id=unknown'))).status, 404)
  assert.equal((await post({}, OFFER, `/whep?device_id=${ROBOT}`)).status, 201)
  assert.equal((await problem(await post({}, 'x'.repeat(65 * 1024)))).status, 413)
  assert.equal((await fetch(`${url}/whep/../whep/x`)).status, 404)
  assert.equal((await fetch(`${url}/whepx`)).status, 404)
})

test('a body without end is cut at its limit', async (t) => {
  const { relay } = await relayWithRobot(t)
  const socket = connect(relay.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    'POST /whep HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n\r\n',
  )
  let head = ''
  socket.on('data', (data) => {
    head += String(data)
  })
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
  for (let i = 0; i < 8; i++) socket.write(chunk)
  await until(() => head.includes('413 Payload Too Large') && socket.readableEnded, { show: () => head })
})

test('players that disconnect within the body leave no error in the log', async (t) => {
  const { relay, post, robot, logged } = await relayWithRobot(t)
  answers(robot)
  const aborted = Array.from({ length: 5 }, async () => {
    const socket = connect(relay.port, '127.0.0.1')
    let head = ''
    socket.on('data', (data) => {
      head += String(data)
    })
    socket.write(
      'POST /whep HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: application/sdp\r\nContent-Length: 500\r\n\r\nv=0',
    )
    await until(() => head.includes('100 Continue'), { show: () => head })
    socket.resetAndDestroy()
  })
  await Promise.all(aborted)
  // its answer needs the robot, so the relay has seen the disconnections by then
  assert.equal((await post()).status, 201)
  assert.deepEqual(
    logged.filter((line) => line.includes('"error"')),
    [],
  )
})

test('apps and players together are 64 viewers at most', async (t) => {
  const { post, robot, open, url } = await relayWithRobot(t)
  answers(robot)
  await open('/ws/app')
  const replies = await Promise.all(Array.from({ length: 63 }, () => post()))
  assert.ok(replies.every(({ status }) => status === 201))
  const full = await post()
  assert.equal(full.status, 503)
  assert.ok(full.headers.get('retry-after'))
  await assert.rejects(open('/ws/app'))
  await fetch(url + replies[0]?.headers.get('location'), { method: 'DELETE' })
  assert.equal((await post()).status, 201)
})

test('a flood of offers is slowed down', async (t) => {
  const { post, robot } = await relayWithRobot(t)
  answers(robot)
  const statuses: number[] = []
  for (let batch = 0; batch < 6; batch++)
    statuses.push(...(await Promise.all(Array.from({ length: 50 }, async () => (await post()).status))))
  assert.deepEqual(new Set(statuses), new Set([201, 503, 429]))
  assert.equal(statuses.filter((status) => status === 201).length, 64)
})
