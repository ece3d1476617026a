import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hideCredentials, hideSecrets, hideSignatures } from '#lib/redact.ts'

test('a URL loses who logs in and what is asked for, and keeps where', () => {
  const shown: Record<string, string> = {
    'rtsp://admin:hush@cam:554/live: timed out': 'rtsp://cam:554/live: timed out',
    'http://cam/video?user=admin&pwd=hush: 401 Unauthorized': 'http://cam/video?[hidden] 401 Unauthorized',
    'http://admin:a@b/c@cam/video?hush': 'http://cam/video?[hidden]',
    'http://cam/video?user=admin&pwd=hu@sh: 401': 'http://cam/video?[hidden] 401',
    'rtsp://admin:hu@sh@cam:554/x?pwd=hu@sh': 'rtsp://cam:554/x?[hidden]',
    'http://admin:hu?sh@cam/x?key=hush': 'http://cam/x?[hidden]',
    'http://[fe80::1]:80/v?t=hu@sh': 'http://[fe80::1]:80/v?[hidden]',
    'http://cam/v#token=hush': 'http://cam/v#[hidden]',
    '{"url":"http://cam/v?token=hush","loop":true}': '{"url":"http://cam/v?[hidden]","loop":true}',
    'http://cam/a, is that so? http://cam/b?key=hush': 'http://cam/a, is that so? http://cam/b?[hidden]',
    'what? nothing to hide': 'what? nothing to hide',
    'mail owner@example.org': 'mail owner@example.org',
    'http://cam/v?': 'http://cam/v?',
    'http://cam/v?x': 'http://cam/v?[hidden]',
    '"http://cam/a?""http://cam/b?k"': '"http://cam/a?""http://cam/b?[hidden]"',
    '"http://cam/a?k""http://u:p@cam/b"': '"http://cam/b"',
    'http://cam/"://x?y': 'http://cam/"://x?[hidden]',
  }
  for (const [text, wanted] of Object.entries(shown)) assert.equal(hideCredentials(text), wanted)
})

test('a text of a megabyte that is made to be slow takes no longer than another', {
  timeout: 120_000,
}, () => {
  const length = 1_000_000
  for (const part of [
    '://',
    '://a@',
    '@a/',
    '://a?',
    '://[',
    '"://x#',
    '://a:',
    '"secret',
    'a',
    '\\"psk\\":',
    '"psk":"',
  ]) {
    for (const end of ['', '?x', '@', '"']) {
      const text = `http://${part.repeat(length / part.length)}${end}`
      assert.ok(hideCredentials(text).length <= text.length * 4)
    }
    const line = part.repeat(length / part.length)
    assert.ok(hideSecrets(line).length <= line.length * 4)
  }
})

test('a log line shows no secret, by any usual name, at any depth, in texts and in URLs', () => {
  const secret = 'hunter2\\"x'
  const lines: unknown[] = [
    { Authorization: `Bearer ${secret}` },
    { a: { b: { c: { d: { device_secret: secret } } } } },
    { a: [{ b: [{ credential: secret, kept: 'kept' }] }] },
    ...['passwd', 'wifi_psk', 'passphrase', 'access_token', 'turnCredential', 'X-Signature'].map((name) => ({
      [name]: secret,
    })),
    { payload: JSON.stringify({ credential: 'hunter2', kept: 'kept' }), text: '{"password": "hunter2"}' },
    { url: 'mqtt://user:hunter2@host/path', msg: 'cannot open rtsp://u:hunter2@cam:554/a: timeout' },
    { err: { message: 'x', config: { headers: { authorization: secret } } } },
  ]
  for (const line of lines) {
    const text = JSON.stringify(line)
    const shown = hideSecrets(text)
    assert.ok(text.includes('hunter2') && !shown.includes('hunter2'), shown)
    assert.equal(shown.includes('kept'), text.includes('kept'))
    JSON.parse(shown)
  }
  const plain = '{"credentials":false,"msg":"no password for the bus: see a@b","url":"http://host/a@b"}'
  assert.equal(hideSecrets(plain), plain)
})

test('a signature of 64 hex digits is hidden, longer and shorter ones are none', () => {
  const signature = '0123456789abcdef'.repeat(4)
  assert.equal(hideSignatures(`said ${signature}!`), 'said [signature]!')
  assert.equal(hideSignatures(`${signature}0`), `${signature}0`)
})
