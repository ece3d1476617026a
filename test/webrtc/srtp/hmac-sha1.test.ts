import assert from 'node:assert/strict'
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import test from 'node:test'
import { HmacSha1, KEY_BLOCK } from '#services/webrtc/srtp/hmac-sha1.ts'

test('the digest is that of HMAC-SHA1, for keys and data of any length (RFC 2104)', () => {
  for (const keyLength of [1, 20, KEY_BLOCK]) {
    for (const length of [0, 1, 63, 64, 1_200]) {
      const key = randomBytes(keyLength)
      const data = randomBytes(length)
      const buffer = Buffer.concat([Buffer.alloc(KEY_BLOCK), data])
      const digest = new HmacSha1(createSecretKey(key)).digest(buffer, KEY_BLOCK, buffer.length)
      assert.deepEqual(Buffer.from(digest, 'latin1'), createHmac('sha1', key).update(data).digest())
    }
  }
})
