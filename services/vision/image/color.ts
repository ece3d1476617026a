/** Luma coefficients: ITU-R BT.709 (HD) or BT.601 (SD, JPEG). */
export type Matrix = 'bt709' | 'bt601'

export type Rgb = readonly [red: number, green: number, blue: number]

const KR_KB = { bt709: [0.2126, 0.0722], bt601: [0.299, 0.114] } as const

/** Limited-range Y, U, V of an RGB color (0..255). ITU-R BT.709-6 §3, BT.601-7 §2.5. */
export function toYuv([red, green, blue]: Rgb, matrix: Matrix): [y: number, u: number, v: number] {
  const [kr, kb] = KR_KB[matrix]
  const luma = (kr * red + (1 - kr - kb) * green + kb * blue) / 255
  return [
    Math.round(16 + 219 * luma),
    Math.round(128 + (224 * (blue / 255 - luma)) / (2 * (1 - kb))),
    Math.round(128 + (224 * (red / 255 - luma)) / (2 * (1 - kr))),
  ]
}

/** Factors from limited-range Y - 16, U - 128, V - 128 to R, G, B (0..1). */
export function rgbFactors(matrix: Matrix) {
  const [kr, kb] = KR_KB[matrix]
  const kg = 1 - kr - kb
  return {
    luma: 1 / 219,
    redV: (2 * (1 - kr)) / 224,
    greenU: (-2 * kb * (1 - kb)) / kg / 224,
    greenV: (-2 * kr * (1 - kr)) / kg / 224,
    blueU: (2 * (1 - kb)) / 224,
  }
}
