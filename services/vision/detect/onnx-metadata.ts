import { type FileHandle, open } from 'node:fs/promises'

/** Field `metadata_props` of ModelProto, and `key` and `value` of its entries. onnx.proto3. */
const METADATA_PROPS = 14
const KEY = 1
const VALUE = 2
/** Wire types. https://protobuf.dev/programming-guides/encoding */
const [VARINT, I64, LEN, I32] = [0, 1, 2, 5]
const MAX_ENTRY_BYTES = 1 << 20
const MAX_ENTRIES = 200
const MAX_FIELDS = 10_000

/**
 * Metadata of an ONNX file, which onnxruntime-node does not expose; the graph is skipped. Empty for a damaged file:
 * loading it reports the error. Rejects when the file cannot be opened.
 */
export async function readMetadata(path: string): Promise<ReadonlyMap<string, string>> {
  await using file = await open(path)
  const { size } = await file.stat()
  const metadata = new Map<string, string>()
  let at = 0
  for (let fields = 0; at < size && fields < MAX_FIELDS; fields++) {
    const field = await readField(file, at, size)
    if (!field) break
    if (field.number === METADATA_PROPS && field.length <= MAX_ENTRY_BYTES && metadata.size < MAX_ENTRIES) {
      const bytes = Buffer.alloc(field.length)
      await file.read(bytes, 0, field.length, field.start)
      const entry = parseEntry(bytes)
      if (entry) metadata.set(...entry)
    }
    at = field.start + field.length
  }
  return metadata
}

interface Field {
  number: number
  /** Offset and length of its content. */
  start: number
  length: number
}

async function readField(file: FileHandle, at: number, size: number): Promise<Field | undefined> {
  // tag and length have at most ten bytes each
  const head = Buffer.alloc(20)
  const { bytesRead } = await file.read(head, 0, head.length, at)
  const field = parseField(head.subarray(0, bytesRead), 0)
  if (!field || at + field.start + field.length > size) return undefined
  return { ...field, start: at + field.start }
}

/** The field with its tag at `at`; undefined where there is none. */
function parseField(bytes: Buffer, at: number): Field | undefined {
  const tag = parseVarint(bytes, at)
  if (!tag) return undefined
  const number = Math.floor(tag.value / 8)
  const start = tag.end
  switch (tag.value % 8) {
    case VARINT: {
      const value = parseVarint(bytes, start)
      return value && { number, start, length: value.end - start }
    }
    case I64:
      return { number, start, length: 8 }
    case I32:
      return { number, start, length: 4 }
    case LEN: {
      const length = parseVarint(bytes, start)
      return length && { number, start: length.end, length: length.value }
    }
    default:
      return undefined
  }
}

function parseVarint(bytes: Buffer, from: number): { value: number; end: number } | undefined {
  let value = 0
  for (let i = 0; i < 10; i++) {
    const byte = bytes[from + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, end: from + i + 1 }
  }
  return undefined
}

function parseEntry(bytes: Buffer): [key: string, value: string] | undefined {
  const found: { [number: number]: string } = {}
  let at = 0
  while (at < bytes.length) {
    const field = parseField(bytes, at)
    if (!field || field.start + field.length > bytes.length) return undefined
    found[field.number] = bytes.toString('utf8', field.start, field.start + field.length)
    at = field.start + field.length
  }
  const key = found[KEY]
  return key === undefined ? undefined : [key, found[VALUE] ?? '']
}
