import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { clipOf } from '#test/recorder/history/clips.ts'
import { ask } from '#test/recorder/history/request.ts'
import { serving } from '#test/recorder/history/serving.ts'
import { relayFor } from '../peers.ts'

const CLIP = '/history/clips/clip-1.mp4'

test('the history is for logged-in clients; those that may only watch change nothing', async (t) => {
  const { dataDir, clips } = await serving(t)
  clips.add(clipOf(1))
  const { relay, address } = await relayFor(t, { token: 'drive-it', watch_token: 'look' }, {}, dataDir)
  const request = (path: string, options = {}) => ask({ port: relay.port }, path, options)
  const as = (token: string) => ({ Authorization: `Bearer ${token}` })
  for (const path of [CLIP, '/history/clips/clip-1.jpg', '/history/items', '/history/filters', '/history/'])
    assert.equal((await request(path)).status, 403, path)
  assert.equal((await request(CLIP, { headers: as('wrong') })).status, 403)
  assert.equal((await request(`${CLIP}?token=look`)).status, 200)

  const part = await request(CLIP, { headers: { ...as('look'), range: 'bytes=10-19' } })
  assert.deepEqual([part.status, part.body.length, part.headers['x-wimz-role']], [206, 10, 'watch'])
  assert.match(String(part.headers['content-security-policy']), /default-src 'self'/)
  const change = (token: string, headers = {}) => {
    const body = '{"deleted":true}'
    return request('/history/clips/clip-1', { method: 'POST', body, headers: { ...as(token), ...headers } })
  }
  assert.equal((await change('look')).status, 403)
  assert.equal((await request('/history/items', { headers: as('look') })).json().total, 1)
  assert.equal((await change('drive-it', { Origin: 'http://elsewhere.example' })).status, 403)
  assert.equal((await change('drive-it', { Origin: `http://${address}` })).status, 200)
  assert.equal((await request('/history/items', { headers: as('look') })).json().total, 0)
  assert.equal((await request('/history/items', { method: 'PUT', headers: as('drive-it') })).status, 405)
})

test('the body of a GET does not reach the recorder, where it could be a request of its own', async (t) => {
  const { dataDir, clips } = await serving(t)
  clips.add(clipOf(1))
  const { relay } = await relayFor(t, { token: 'drive-it', watch_token: 'look' }, {}, dataDir)
  const change = '{"favorite":true}'
  const body = `POST /history/clips/clip-1 HTTP/1.1\r\nHost: x\r\nContent-Length: ${change.length}\r\n\r\n${change}`
  const framings = [
    ['Transfer-Encoding', 'chunked'],
    ['Content-Length', String(body.length)],
  ] as const
  for (const [name, value] of framings) {
    const headers = { Authorization: 'Bearer look', [name]: value }
    const answer = await ask({ port: relay.port }, '/history/items', { headers, body })
    assert.deepEqual([answer.status, answer.json().total], [200, 1])
  }
  assert.equal(clips.get('clip-1')?.favorite, undefined)
})

test('without a recorder the page is told so', async (t) => {
  const { relay } = await relayFor(t, {}, {}, temporaryFolder(t))
  const answer = await ask({ port: relay.port }, '/history/items')
  assert.equal(answer.status, 503)
  assert.match(String(answer.json().error), /recorder is not running/)
})

test('the page of the history shows the login form to a browser that is not logged in', async (t) => {
  const { relay } = await relayFor(t, { token: 'drive-it' })
  const accept = { accept: 'text/html' }
  const refused = await ask({ port: relay.port }, '/history', { headers: accept })
  assert.equal(refused.status, 403)
  assert.match(refused.body.toString(), /Token of this robot/)
  const login = await ask({ port: relay.port }, '/history?clip=a&token=drive-it', { headers: accept })
  assert.deepEqual([login.status, login.headers.location], [303, '/history?clip=a'])
  const cookie = String(login.headers['set-cookie']?.[0]).split(';')[0] ?? ''
  const page = await ask({ port: relay.port }, '/history', { headers: { cookie } })
  assert.match(page.body.toString(), /WIM-Z history/)
})
