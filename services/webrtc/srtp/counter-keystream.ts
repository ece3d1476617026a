import { type Cipheriv, createCipheriv, type KeyObject } from 'node:crypto'

const BLOCK = 16
const BLOCK_WORDS = 4
/** Words of the counter blocks that one call of {@link CounterKeystream.take} encrypts at first; it grows with the bursts. */
const FIRST_CAPACITY = 4_096

/**
 * Keystreams of AES in counter mode (RFC 3711 §4.1.1), those of many packets with one call of the cipher: to create one for
 * each packet, as `aes-128-ctr` needs it, takes three times as long as to encrypt 1200 bytes.
 */
export class CounterKeystream {
  readonly #cipher: Cipheriv
  #blocks = new Uint32Array(FIRST_CAPACITY)
  /** Words of {@link #blocks} in use. */
  #length = 0

  constructor(key: KeyObject) {
    // counter mode is defined by the encryption of single blocks, which no vector and no earlier block changes
    this.#cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  }

  /** Adds the keystream for `bytes` that starts at the counter block `vector`, whose last two bytes are 0; at most 1 MiB. */
  add(vector: Uint32Array, bytes: number): void {
    const count = Math.ceil(bytes / BLOCK)
    this.#reserve(count * BLOCK_WORDS)
    const blocks = this.#blocks
    const [first = 0, second = 0, third = 0, fourth = 0] = vector
    let at = this.#length
    for (let block = 0; block < count; block++) {
      blocks[at] = first
      blocks[at + 1] = second
      blocks[at + 2] = third
      // the last two bytes, the larger first; all machines of Node for Linux that we support are little-endian
      blocks[at + 3] = fourth | ((block & 0xff) << 24) | ((block >> 8) << 16)
      at += BLOCK_WORDS
    }
    this.#length = at
  }

  /** The keystreams of all that was added, each a whole number of blocks of four words. */
  take(): Uint32Array {
    const { buffer } = this.#blocks
    const stream = this.#cipher.update(new Uint8Array(buffer, 0, this.#length * 4))
    this.#length = 0
    return new Uint32Array(stream.buffer, stream.byteOffset, stream.length / 4)
  }

  #reserve(words: number): void {
    if (this.#length + words <= this.#blocks.length) return
    const larger = new Uint32Array(Math.max(2 * this.#blocks.length, this.#length + words))
    larger.set(this.#blocks)
    this.#blocks = larger
  }
}

/** Words of the keystream for so many bytes. */
export function keystreamWords(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK_WORDS
}
