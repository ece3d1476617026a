const BLOCKS = 32
/** Where the synthetic source draws its clock, as fractions of a 1280×720 frame. */
const STRIP = { top: 8 / 720, width: 1024 / 1280, height: 32 / 720 }
const CELL = 8
const WINDOW = 300
const WRAP = 2 ** 31
/** A larger age means that the frame has no clock. */
const MAX_AGE_MS = 60_000

/**
 * Reads the clock from a frame of the synthetic source, and so its age on the screen.
 * @returns {{ read: (video: HTMLVideoElement) => number | null, summary: () => { p50: number, p95: number, n: number } | null }}
 */
export function createLatencyReader() {
  const canvas = document.createElement('canvas')
  canvas.width = BLOCKS * CELL
  canvas.height = CELL
  const context = canvas.getContext('2d', { willReadFrequently: true })
  /** @type {number[]} */
  const samples = []
  let total = 0
  return {
    read(video) {
      if (!context) return null
      const now = Date.now() // before the drawing, which takes milliseconds
      const top = STRIP.top * video.videoHeight
      const width = STRIP.width * video.videoWidth
      const height = STRIP.height * video.videoHeight
      context.drawImage(video, 0, top, width, height, 0, 0, canvas.width, canvas.height)
      const age = ageOf(context.getImageData(0, 0, canvas.width, canvas.height).data, now)
      if (age === null) return null
      total++
      samples.push(age)
      if (samples.length > WINDOW) samples.shift()
      return age
    },
    summary() {
      if (samples.length === 0) return null
      const sorted = [...samples].sort((a, b) => a - b)
      const rank = (/** @type {number} */ fraction) =>
        sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? 0
      return { p50: rank(0.5), p95: rank(0.95), n: total }
    },
  }
}

/** @param {Uint8ClampedArray} pixels @param {number} now @returns {number | null} ms, or null without a clock */
function ageOf(pixels, now) {
  let code = 0
  for (let block = 0; block < BLOCKS; block++) {
    const at = ((CELL / 2) * BLOCKS * CELL + block * CELL + CELL / 2) * 4
    const bright = (pixels[at + 1] ?? 0) > 128
    if (block === BLOCKS - 1 && bright) return null // the last block is always dark
    if (bright) code += 2 ** block
  }
  const behind = ((now % WRAP) - code + WRAP) % WRAP
  const age = behind < WRAP / 2 ? behind : behind - WRAP // the robot's clock may be ahead of ours
  return Math.abs(age) < MAX_AGE_MS ? age : null
}
