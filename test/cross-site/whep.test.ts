import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROBOT, relayFor, SECRET } from '../dev/peers.ts'
import { FORMS } from './forms.ts'
import { post } from './requests.ts'

const TOKEN = 'viewer-token-7'
const TURN = { urls: 'turn:turn.example', username: 'turn-user', credential: 'turn-credential' }
const SECRETS = [TOKEN, TURN.username, TURN.credential, SECRET, ROBOT]

/** A page may send this without asking first; 415 says that only the type is wrong. */
const STATUS = { ofOwnPage: 415, ofForeignPage: 403, withoutToken: 401 }

for (const token of [undefined, TOKEN])
  test(`WHEP ${token ? 'with' : 'without'} a token: every form of Host and Origin`, async (t) => {
    const { relay, robot: join } = await relayFor(t, { ...(token && { token }), ice_servers: [TURN] })
    const robot = await join()
    const rows = token
      ? (['', `?token=${TOKEN}`, '?token=viewer-token-8'] as const).map((query) => ({
          query,
          expected: () => (query.endsWith(TOKEN) ? STATUS.ofOwnPage : STATUS.withoutToken),
        }))
      : [{ query: '', expected: (isOwn: boolean) => (isOwn ? STATUS.ofOwnPage : STATUS.ofForeignPage) }]
    for (const { query, expected } of rows)
      for (const form of FORMS) {
        const { status, text } = await post({ port: relay.port }, form, 'v=0', `/whep${query}`)
        assert.equal(status, expected(form.get), `${query} ${form.name}`)
        for (const secret of SECRETS) assert.ok(!text.includes(secret), `${form.name}: ${text}`)
        assert.doesNotMatch(text, /^access-control-allow-credentials/im)
      }
    assert.ok(robot.frames.every(({ type }) => type !== 'webrtc_request'))
  })
