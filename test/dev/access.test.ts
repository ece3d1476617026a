import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Access } from '#dev/relay/access/access.ts'
import type { Request } from '#dev/relay/access/role.ts'
import { cookieSecretPath } from '#dev/relay/access/session-cookie.ts'
import { LocalRelaySection } from '#dev/relay/config.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { refusal, relayFor } from './peers.ts'

const DRIVE = 'token-of-the-driver'
const WATCH = 'token-of-the-viewers'
const SECTION = { token: DRIVE, watch_token: WATCH }
const NO_QUERY = new URLSearchParams()

const requestOf = (remoteAddress = '192.168.1.20', headers: Request['headers'] = {}, encrypted = false) =>
  ({ headers, socket: { remoteAddress, localPort: 8080, encrypted } }) as unknown as Request

const cookieOf = (setCookie: string) => setCookie.split(';')[0] ?? ''

/** Sends the login form as a browser does, and returns the answer. */
const logIn = (address: string, token: string) =>
  fetch(`http://${address}/login`, {
    method: 'POST',
    body: new URLSearchParams({ token }),
    redirect: 'manual',
    headers: { Origin: `http://${address}` },
  })

test('a cookie holds the role, until its token changes, its time ends or it is changed', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 0, 1) })
  const secret = 'secret of this robot'
  const access = new Access({ drive: DRIVE, watch: WATCH }, { secret })
  const roleWith = (cookie: string, by = access) => by.roleOf(requestOf('10.0.0.1', { cookie }), NO_QUERY)
  for (const [token, role] of [
    [DRIVE, 'drive'],
    [WATCH, 'watch'],
  ] as const) {
    const login = access.login(requestOf(), token)
    assert.equal(login.role, role)
    const setCookie = login.role ? login.cookie : ''
    assert.match(setCookie, /; Path=\/; HttpOnly; SameSite=Strict$/)
    assert.ok(!setCookie.includes(token))
    const cookie = cookieOf(setCookie)
    assert.equal(roleWith(`other=1; ${cookie}; more=2`), role)
    assert.equal(
      roleWith(cookie, new Access({ drive: DRIVE, watch: WATCH }, { secret })),
      role,
      'after a restart',
    )
    assert.equal(roleWith(cookie, new Access({ drive: 'x', watch: 'y' }, { secret })), undefined)
    assert.equal(roleWith(cookie, new Access({ drive: DRIVE, watch: WATCH })), undefined, 'of another robot')
    for (const wrong of [
      cookie.replace(/watch|drive/, role === 'watch' ? 'drive' : 'watch'),
      cookie.replace(/\.\d/, '.9'),
      cookie.slice(0, -1),
      `${cookie}x`,
      cookie.replace('8080', '8081'),
      '',
    ])
      assert.equal(roleWith(wrong), undefined, wrong)
    t.mock.timers.tick(29 * 86_400_000)
    assert.equal(roleWith(cookie), role)
    t.mock.timers.tick(2 * 86_400_000)
    assert.equal(roleWith(cookie), undefined)
  }
})

test('the secret for cookies is made at the first start, for this user alone, and outlives a restart', async (t) => {
  const dataDir = temporaryFolder(t)
  const first = await relayFor(t, SECTION, {}, dataDir)
  const path = cookieSecretPath(dataDir)
  const secret = readFileSync(path, 'utf8')
  assert.equal(Buffer.from(secret.trim(), 'base64url').length, 32)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const setCookie = (await logIn(first.address, DRIVE)).headers.get('set-cookie') ?? ''
  await first.relay[Symbol.asyncDispose]()
  const again = await relayFor(t, { ...SECTION, port: first.relay.port }, {}, dataDir)
  assert.equal(readFileSync(path, 'utf8'), secret)
  const headers = { cookie: cookieOf(setCookie) }
  assert.equal((await fetch(`http://${again.address}/`, { headers })).status, 200)
  const open = temporaryFolder(t)
  await relayFor(t, {}, {}, open)
  assert.ok(!existsSync(cookieSecretPath(open)), 'without a token there is no cookie')
})

test('where no secret can be kept, the relay starts and says that logins end with it', async (t) => {
  const file = `${temporaryFolder(t)}/file`
  writeFileSync(file, '')
  const { address, logged } = await relayFor(t, SECTION, {}, file)
  assert.equal((await logIn(address, DRIVE)).status, 303)
  assert.match(logged.join(''), /logins end with this process/)
})

test('over HTTPS the cookie is Secure, and one of a page without HTTPS does not count', () => {
  const access = new Access({ drive: DRIVE, watch: undefined })
  const over = (encrypted: boolean, cookie?: string) => requestOf('10.0.0.1', { cookie }, encrypted)
  const [plain, secure] = [false, true].map((encrypted) => {
    const login = access.login(over(encrypted), DRIVE)
    return login.role ? login.cookie : ''
  })
  assert.match(secure ?? '', /^__Host-wimz-8080=.*; Path=\/; HttpOnly; SameSite=Strict; Secure$/)
  assert.equal(access.roleOf(over(true, cookieOf(secure ?? '')), NO_QUERY), 'drive')
  assert.equal(access.roleOf(over(true, cookieOf(plain ?? '')), NO_QUERY), undefined)
})

test('attempts are bounded for each address; the same wrong token counts once, and a cookie still works', () => {
  let now = 0
  const access = new Access({ drive: DRIVE, watch: undefined }, { now: () => now })
  const login = (token: string, from?: string) => access.login(requestOf(from), token)
  const before = login(DRIVE)
  for (let i = 0; i < 50; i++) assert.equal(login('old token').role, undefined)
  assert.equal(login(DRIVE).role, 'drive', 'a client that repeats an old token locks out no other')
  let allowed = 0
  for (let i = 0; i < 60; i++) {
    const attempt = login(`guess ${i}`)
    if (attempt.role === undefined && attempt.problem === 'wrong token') allowed++
    now += 1_000
  }
  assert.ok(allowed <= 12, `${allowed} guesses in a minute`)
  const refused = login(DRIVE)
  assert.ok(refused.role === undefined && refused.problem === 'too many attempts' && refused.retryAfterMs > 0)
  const query = new URLSearchParams({ token: DRIVE })
  assert.equal(access.roleOf(requestOf(), query), undefined, 'in the address neither')
  const cookie = before.role ? cookieOf(before.cookie) : ''
  assert.equal(access.roleOf(requestOf(undefined, { cookie }), NO_QUERY), 'drive')
  assert.equal(login(DRIVE, '192.168.1.21').role, 'drive', 'another address')
  for (let i = 0; i < 20; i++) login(`guess ${i}`, `2001:db8::${i}`)
  assert.equal(login(DRIVE, '2001:db8::99').role, undefined, 'a /64 is one address')
  now += 61_000
  assert.equal(login(DRIVE).role, 'drive')
})

test('the watch token between guesses gives no further guesses of the drive token', () => {
  let now = 0
  const access = new Access({ drive: DRIVE, watch: WATCH }, { now: () => now })
  let allowed = 0
  for (let i = 0; i < 60; i++) {
    const attempt = access.login(requestOf(), `guess ${i}`)
    if (attempt.role === undefined && attempt.problem === 'wrong token') allowed++
    access.login(requestOf(), WATCH)
    access.roleOf(requestOf(), new URLSearchParams({ token: WATCH }))
    now += 1_000
  }
  assert.ok(allowed <= 12, `${allowed} guesses in a minute`)
  now += 61_000
  assert.equal(access.login(requestOf(), WATCH).role, 'watch')
  assert.equal(access.login(requestOf(), DRIVE).role, 'drive')
  for (let i = 0; i < 4; i++) access.login(requestOf(), `mistyped ${i}`)
  assert.equal(access.login(requestOf(), DRIVE).role, 'drive', 'the drive token begins again')
})

test('the form logs in, the token in the address is replaced by the cookie, and log out ends it', async (t) => {
  const { address } = await relayFor(t, SECTION)
  const form = await fetch(`http://${address}/`)
  assert.equal(form.status, 403)
  assert.match(await form.text(), /<form [^>]*action="\/login"/)
  const wrong = await logIn(address, 'wrong')
  assert.equal(wrong.status, 403)
  assert.match(await wrong.text(), /This is not the token of this robot/)
  const right = await logIn(address, DRIVE)
  assert.equal(right.status, 303)
  assert.equal(right.headers.get('location'), '/')
  const cookie = cookieOf(right.headers.get('set-cookie') ?? '')
  const get = (path: string, headers: Record<string, string> = { cookie }) =>
    fetch(`http://${address}${path}`, { headers, redirect: 'manual' })
  const page = await get('/')
  assert.equal(page.status, 200)
  assert.match(page.headers.get('set-cookie') ?? '', /Max-Age=2592000/, 'its time begins again')
  assert.match(await page.text(), /<body data-login="required">/)
  assert.equal((await get('/debug/pairing')).status, 200)
  const opened = await get(`/?device=x&token=${DRIVE}&latency`, { Accept: 'text/html,*/*' })
  assert.equal(opened.status, 303)
  assert.equal(opened.headers.get('location'), '/?device=x&latency=')
  assert.match(opened.headers.get('set-cookie') ?? '', /^wimz-\d+=drive\./)
  assert.equal((await get(`/?token=${DRIVE}`, {})).status, 200, 'a program needs no cookie')
  const out = await fetch(`http://${address}/logout`, {
    method: 'POST',
    headers: { cookie },
    redirect: 'manual',
  })
  assert.match(out.headers.get('set-cookie') ?? '', /^wimz-\d+=; Max-Age=0/)
})

test('the login takes no form of another site, none that is too large, and never waits for the rest of one', async (t) => {
  const { address, relay } = await relayFor(t, SECTION)
  const post = (body: string, origin = `http://${address}`) =>
    fetch(`http://${address}/login`, {
      method: 'POST',
      body,
      headers: { Origin: origin },
      redirect: 'manual',
    })
  const body = `token=${DRIVE}`
  assert.equal((await post(body, 'https://evil.example')).status, 403)
  assert.equal((await post(body, 'null')).status, 403)
  assert.equal((await post(`token=${'x'.repeat(5_000)}`)).status, 413)
  const slow = connect(relay.port, '127.0.0.1')
  slow.on('error', () => {})
  slow.write('POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\ntoken=')
  slow.end()
  await once(slow.resume(), 'close')
  assert.equal((await fetch(`http://${address}/health`)).status, 200)
})

test('a viewer with the watch token gets video and events, and may send stop only', async (t) => {
  const { robot, app, address } = await relayFor(t, SECTION)
  const device = await robot()
  const driver = await app('driver', DRIVE)
  const watcher = await app('watcher', WATCH)
  assert.equal(await refusal(`ws://${address}/ws/app`), 403)
  assert.equal((await watcher.next(({ type }) => type === 'session_ack')).role, 'watch')
  assert.ok(!('role' in (await driver.next(({ type }) => type === 'session_ack'))))
  for (const one of [driver, watcher]) one.send({ type: 'webrtc_request' })
  const requests = [1, 2].map(() => device.next(({ type }) => type === 'webrtc_request'))
  for (const { session_id, role } of await Promise.all(requests))
    assert.equal(role, session_id === 'watcher' ? 'watch' : undefined)
  device.send({ event: 'bark', data: {} })
  await watcher.next(({ event }) => event === 'bark')
  for (const command of ['dispense_treat', 'motor', 'set_video_quality', 'STOP', ' stop']) {
    watcher.send({ type: 'command', command, data: { left: 0, right: 0 } })
    const { code, message } = await watcher.next(({ type }) => type === 'error')
    assert.equal(code, 'WATCH_ONLY')
    assert.match(String(message), /stop only/)
  }
  // the robot reads the command from `type` or from the parameters as well
  const disguised = { command: 'stop', data: { command: 'dispense_treat', left: 1 }, name: 'motor', left: 1 }
  watcher.send({ type: 'dispense_treat', ...disguised, id: '7' })
  driver.send({ type: 'command', command: 'dispense_treat', id: '8' })
  const stop = await device.next(({ command }) => command === 'stop')
  assert.deepEqual(stop, { type: 'command', command: 'stop', data: {}, id: '7' })
  await device.next(({ id }) => id === '8')
  assert.equal(device.frames.filter(({ command }) => command !== undefined).length, 2)
})

test('a viewer that only watches takes no place of one that drives', async (t) => {
  const { app } = await relayFor(t, { ...SECTION, single_app: true })
  const driver = await app('S', DRIVE)
  const watcher = await app('S', WATCH)
  const { session_id } = await watcher.next(({ type }) => type === 'session_ack')
  assert.notEqual(session_id, 'S')
  driver.send({ type: 'ping' })
  await driver.next(({ type }) => type === 'pong')
  await app('T', WATCH)
  assert.equal(await watcher.closed, 4003)
  await app('U', DRIVE)
  assert.equal(await driver.closed, 4003)
})

test('connections with the watch token leave places for those with the drive token', async (t) => {
  const { address, open } = await relayFor(t, SECTION)
  const as = (token: string) => open('/ws/app', { Authorization: `Bearer ${token}` })
  await Promise.all(Array.from({ length: 48 }, () => as(WATCH)))
  assert.equal(await refusal(`ws://${address}/ws/app?token=${WATCH}`), 403)
  await as(DRIVE)
})

test('a WHEP player with the watch token watches only; of a page of another site no cookie counts', async (t) => {
  const { robot, address } = await relayFor(t, SECTION)
  const device = await robot()
  const cookie = cookieOf((await logIn(address, DRIVE)).headers.get('set-cookie') ?? '')
  const signal = AbortSignal.timeout(60_000)
  const post = (headers: Record<string, string>) =>
    fetch(`http://${address}/whep`, {
      method: 'POST',
      body: 'v=0',
      headers: { 'Content-Type': 'application/sdp', ...headers },
      signal,
    })
  assert.equal((await post({ cookie, Origin: 'https://evil.example' })).status, 401)
  for (const [headers, role] of [
    [{ Authorization: `Bearer ${WATCH}` }, 'watch'],
    [{ cookie }, undefined],
  ] as const) {
    const answered = post(headers)
    const request = await device.next(({ type }) => type === 'webrtc_request')
    assert.equal(request.role, role)
    device.send({ type: 'webrtc_error', session_id: request.session_id, code: 'bad-offer', error: 'no' })
    assert.equal((await answered).status, 400)
  }
})

test('the config names what is wrong with its tokens', () => {
  const problem = (section: object) => LocalRelaySection.safeParse(section).error?.issues[0]?.message ?? ''
  assert.match(problem({ watch_token: 'x' }), /needs local_relay.token as well/)
  assert.match(problem({ token: 'x', watch_token: 'x' }), /must not be the same/)
  assert.match(problem({ cert: 'cert.pem' }), /belong together/)
  assert.match(problem({ cert: 'cert.pem', key: 'key.pem' }), /local_relay.https: true/)
  assert.equal(problem({ https: true, cert: 'cert.pem', key: 'key.pem', ...SECTION }), '')
})
