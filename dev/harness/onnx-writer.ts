/** Element types of TensorProto. onnx.proto3. */
const TYPES = { float32: 1, int32: 6, int64: 7, float16: 10 } as const
export type Element = keyof typeof TYPES

/** An input or output; a text is an open dimension of that name. */
export interface Value {
  name: string
  type?: Element
  shape: readonly (number | string)[]
}

/** An output with the numbers that it always has; zeros where none are given. */
export interface Fixed extends Value {
  values?: ArrayLike<number>
}

interface NodeDraft {
  op: string
  inputs: string[]
  output: string
  attributes?: Record<string, number>
}

export interface ModelDraft {
  inputs: Value[]
  /** Given out by constant nodes, unless `nodes` make them. */
  outputs: Fixed[]
  nodes?: NodeDraft[]
  /** What nodes take that is no input. */
  constants?: Fixed[]
  metadata?: Record<string, string>
}

/** Writes an ONNX file: enough of it for nets that always see the same. onnx.proto3, opset 13. */
export function writeOnnx({
  inputs,
  outputs,
  nodes = [],
  constants = [],
  metadata = {},
}: ModelDraft): Buffer {
  const made = new Set(nodes.map(({ output }) => output))
  const graph = Buffer.concat([
    ...constants.map((one) => bytes(1, constant(one))),
    ...outputs.filter(({ name }) => !made.has(name)).map((output) => bytes(1, constant(output))),
    ...nodes.map((node) => bytes(1, nodeOf(node))),
    text(2, 'test'),
    ...inputs.map((input) => bytes(11, valueInfo(input))),
    ...outputs.map((output) => bytes(12, valueInfo(output))),
  ])
  return Buffer.concat([
    number(1, 8),
    bytes(8, Buffer.concat([text(1, ''), number(2, 13)])),
    bytes(7, graph),
    ...Object.entries(metadata).map(([key, value]) =>
      bytes(14, Buffer.concat([text(1, key), text(2, value)])),
    ),
  ])
}

function nodeOf({ op, inputs, output, attributes = {} }: NodeDraft): Buffer {
  const numbers = Object.entries(attributes).map(([name, value]) =>
    bytes(5, Buffer.concat([text(1, name), number(3, value), number(20, 2)])),
  )
  return Buffer.concat([...inputs.map((name) => text(1, name)), text(2, output), text(4, op), ...numbers])
}

function constant(output: Fixed): Buffer {
  const attribute = Buffer.concat([text(1, 'value'), bytes(5, tensor(output)), number(20, 4)])
  return Buffer.concat([text(2, output.name), text(4, 'Constant'), bytes(5, attribute)])
}

function tensor({ type = 'float32', shape, values }: Fixed): Buffer {
  const dims = shape.map((length) => (typeof length === 'number' ? length : 1))
  const count = dims.reduce((product, length) => product * length, 1)
  const numbers = Array.from({ length: count }, (_, i) => values?.[i] ?? 0)
  const data = {
    float32: () => Float32Array.from(numbers),
    float16: () => Float16Array.from(numbers),
    int32: () => Int32Array.from(numbers),
    int64: () => BigInt64Array.from(numbers, BigInt),
  }[type]()
  return Buffer.concat([
    ...dims.map((length) => number(1, length)),
    number(2, TYPES[type]),
    bytes(9, Buffer.from(data.buffer)),
  ])
}

function valueInfo({ name, type = 'float32', shape }: Value): Buffer {
  const dims = shape.map((length) =>
    bytes(1, typeof length === 'number' ? number(1, length) : text(2, length)),
  )
  const tensorType = Buffer.concat([number(1, TYPES[type]), bytes(2, Buffer.concat(dims))])
  return Buffer.concat([text(1, name), bytes(2, bytes(1, tensorType))])
}

function varint(value: number): Buffer {
  const out: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128)
  return Buffer.from([...out, rest])
}

/** A varint field of protobuf, one of bytes, and one of text. */
export const number = (field: number, value: number) => Buffer.concat([varint(field * 8), varint(value)])
export const bytes = (field: number, content: Buffer) =>
  Buffer.concat([varint(field * 8 + 2), varint(content.length), content])
export const text = (field: number, content: string) => bytes(field, Buffer.from(content))
