import assert from 'node:assert/strict'
import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto'
import test from 'node:test'
import { CounterKeystream, keystreamWords } from '#services/webrtc/srtp/counter-keystream.ts'

test('the keystreams are those of aes-128-ctr, one behind the other, and more than fit at first', () => {
  const key = createSecretKey(randomBytes(16))
  const keystream = new CounterKeystream(key)
  for (const lengths of [[5], [16, 1, 1_200], Array.from({ length: 40 }, () => 1_200), [70_000]]) {
    const vectors = lengths.map(() => Buffer.concat([randomBytes(14), Buffer.alloc(2)]))
    for (const [i, vector] of vectors.entries()) {
      keystream.add(new Uint32Array(new Uint8Array(vector).buffer), lengths[i] ?? 0)
    }
    const words = keystream.take()
    const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength)
    let at = 0
    for (const [i, vector] of vectors.entries()) {
      const length = lengths[i] ?? 0
      const expected = createCipheriv('aes-128-ctr', key, vector).update(Buffer.alloc(length))
      assert.deepEqual(bytes.subarray(at, at + length), expected)
      at += keystreamWords(length) * 4
    }
    assert.equal(at, bytes.length)
  }
})
