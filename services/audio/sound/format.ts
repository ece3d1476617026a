/** Samples a second of everything between capture and Opus; mono, signed 16 bits. */
export const SAMPLE_RATE = 48_000
export const SAMPLES_PER_MS = SAMPLE_RATE / 1_000
/** Samples of one Opus packet, 20 ms. RFC 7587 §4.2. */
export const BLOCK_SAMPLES = 20 * SAMPLES_PER_MS
export const BLOCK_MS = 20
/** The value of a sample at 0 dBFS. */
export const FULL_SCALE = 32_768
