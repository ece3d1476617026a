import type { Output, Raw } from './decode.ts'
import type { Layout } from './model-io.ts'

/**
 * What DETR and its kin give: [1, N, 4] centre x, centre y, width, height in parts of the picture, and [1, N, classes]
 * scores: probabilities, or logits as the layout says.
 */
export function decodeQueries(
  { boxes, scores }: { boxes: Output; scores: Output },
  { logits, size }: Pick<Layout, 'logits' | 'size'>,
  minScore: number,
): Raw[] {
  const [, queries = 0, classes = 0] = scores.dims
  // with a softmax the last class is nothing
  const count = logits === 'softmax' ? classes - 1 : classes
  const found: Raw[] = []
  for (let query = 0; query < queries; query++) {
    const row = scores.data.subarray(query * classes, (query + 1) * classes)
    let index = 0
    for (let i = 1; i < count; i++) if ((row[i] ?? 0) > (row[index] ?? 0)) index = i
    const score = probability(row, index, logits)
    if (score < minScore) continue
    const [x = 0, y = 0, width = 0, height = 0] = boxes.data.subarray(query * 4, query * 4 + 4)
    const edges: Raw['edges'] = [
      (x - width / 2) * size.width,
      (y - height / 2) * size.height,
      (x + width / 2) * size.width,
      (y + height / 2) * size.height,
    ]
    found.push({ index, score, edges })
  }
  return found
}

function probability(row: Float32Array, index: number, logits: Layout['logits']): number {
  const value = row[index] ?? 0
  if (logits === 'none') return value
  if (logits === 'sigmoid') return 1 / (1 + Math.exp(-value))
  let sum = 0
  for (const other of row) sum += Math.exp(other - value)
  return 1 / sum
}
