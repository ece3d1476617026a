import { hash, type KeyObject } from 'node:crypto'

/** Block of SHA-1 in bytes. */
export const KEY_BLOCK = 64
const DIGEST = 20
const INNER = 0x36
const OUTER = 0x5c

/**
 * HMAC-SHA1 (RFC 2104 §2) as two calls of the one-shot hash. `createHmac`, its buffers and its KeyObject take five times as
 * long for each packet.
 */
export class HmacSha1 {
  readonly #inner: Buffer
  /** The outer key block, and room for the inner digest. */
  readonly #outer: Buffer

  /** The key has at most 64 bytes. */
  constructor(key: KeyObject) {
    const block = Buffer.alloc(KEY_BLOCK)
    key.export().copy(block)
    this.#inner = Buffer.from(block.map((byte) => byte ^ INNER))
    this.#outer = Buffer.concat([block.map((byte) => byte ^ OUTER), Buffer.alloc(DIGEST)])
  }

  /** The tag of `buffer` from `from` to `to`, one character a byte. Overwrites the 64 bytes before `from` with the key block. */
  digest(buffer: Buffer, from: number, to: number): string {
    buffer.set(this.#inner, from - KEY_BLOCK)
    // a string of bytes: a buffer of 20 bytes that is created outside of JavaScript takes twice as long as the hash
    this.#outer.write(hash('sha1', buffer.subarray(from - KEY_BLOCK, to), 'binary'), KEY_BLOCK, 'binary')
    return hash('sha1', this.#outer, 'binary')
  }
}
