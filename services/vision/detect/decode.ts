import type { Size } from '../fit.ts'
import { COCO_LABELS } from './labels.ts'
import type { Box, Candidate } from './nms.ts'

const BOX_ROWS = 4
/** Rows of the output: the box, then one for each class. */
export const ROWS = BOX_ROWS + COCO_LABELS.length

/**
 * Reads an output of [1, 84, N]: centre x, centre y, width, height in pixels of the model's input, then a probability
 * for each class. Gives the best class of every place whose score reaches `minScore`; overlapping ones are still in.
 */
export function decode(output: Float32Array, input: Size, minScore: number): Candidate[] {
  const places = output.length / ROWS
  const { scores, classes } = bestOfEach(output, places)
  const candidates: Candidate[] = []
  for (let place = 0; place < places; place++) {
    const score = scores[place] ?? 0
    const label = COCO_LABELS[classes[place] ?? 0]
    if (score === 0 || score < minScore || !label) continue
    candidates.push({ label, score, box: boxAt(output, places, place, input) })
  }
  return candidates
}

/** The best class of every place and its score. */
function bestOfEach(output: Float32Array, places: number) {
  const scores = new Float32Array(places)
  const classes = new Uint8Array(places)
  for (let index = 0; index < COCO_LABELS.length; index++) {
    const row = output.subarray((BOX_ROWS + index) * places)
    for (let place = 0; place < places; place++) {
      const score = row[place] ?? 0
      if (score > (scores[place] ?? 0)) {
        scores[place] = score
        classes[place] = index
      }
    }
  }
  return { scores, classes }
}

/** Cut to the picture. */
function boxAt(output: Float32Array, places: number, place: number, { width, height }: Size): Box {
  const at = (row: number) => output[row * places + place] ?? 0
  const left = clamp((at(0) - at(2) / 2) / width)
  const top = clamp((at(1) - at(3) / 2) / height)
  const right = clamp((at(0) + at(2) / 2) / width)
  const bottom = clamp((at(1) + at(3) / 2) / height)
  return [left, top, right - left, bottom - top]
}

function clamp(value: number): number {
  return Math.max(0, Math.min(1, value))
}
