import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bytes, number, text, writeOnnx } from '#dev/harness/onnx-writer.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { loadModel } from '#services/vision/detect/model.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { images, NAMED, v8 } from './known-models.ts'

const CHILD = fileURLToPath(new URL('start-model-child.ts', import.meta.url))
const [FLOAT, INT64, BOOL] = [1, 7, 9]

function save(t: TestContext, model: Buffer) {
  const file = join(temporaryFolder(t), 'model.onnx')
  writeFileSync(file, model)
  return DetectorSection.parse({ model: file })
}

const shapeOf = (shape: readonly number[]) =>
  bytes(2, Buffer.concat(shape.map((n) => bytes(1, number(1, n)))))
const valueInfo = (name: string, type: number, shape: readonly number[] = []) =>
  Buffer.concat([text(1, name), bytes(2, bytes(1, Buffer.concat([number(1, type), shapeOf(shape)])))])
const identity = (from: string, to: string) =>
  Buffer.concat([text(1, from), text(2, to), text(4, 'Identity')])
const tensor = (name: string, type: number, shape: readonly number[], ...data: Buffer[]) =>
  Buffer.concat([...shape.map((length) => number(1, length)), number(2, type), text(8, name), ...data])

/** A model with this graph beside its input and output, which are those of a YOLOv8. onnx.proto3. */
function modelOf(...graph: Buffer[]): Buffer {
  const shape = [1, 7, 84]
  return Buffer.concat([
    number(1, 8),
    bytes(8, Buffer.concat([text(1, ''), number(2, 13)])),
    bytes(
      7,
      Buffer.concat([
        ...graph,
        text(2, 'test'),
        bytes(11, valueInfo('images', FLOAT, [1, 3, 64, 64])),
        bytes(12, valueInfo('output0', FLOAT, shape)),
      ]),
    ),
    bytes(14, Buffer.concat([text(1, 'names'), text(2, NAMED)])),
  ])
}

/** An initializer whose numbers are in another file. */
function external(location: string): Buffer {
  const entry = (key: string, value: string) => bytes(13, Buffer.concat([text(1, key), text(2, value)]))
  const where = [entry('location', location), entry('offset', '0'), entry('length', String(7 * 84 * 4))]
  return bytes(5, tensor('weights', FLOAT, [1, 7, 84], ...where, number(14, 1)))
}

test('the weights of a model are read from no file outside of its folder', async (t) => {
  for (const location of [
    '../../../../../../etc/passwd',
    '/etc/passwd',
    '/proc/self/environ',
    './../../../../../../../etc/passwd',
    '/dev/zero',
  ]) {
    const settings = save(t, modelOf(bytes(1, identity('weights', 'output0')), external(location)))
    await assert.rejects(
      loadModel(settings),
      (err) => err instanceof Error && !/root:|PATH=/.test(err.message),
      location,
    )
  }
})

test('a model that claims more weights than it has, or a huge input, is rejected without the memory', async (t) => {
  const before = process.memoryUsage().rss
  const claimed = bytes(5, tensor('weights', FLOAT, [1 << 20, 1 << 20], bytes(9, Buffer.alloc(64))))
  await assert.rejects(loadModel(save(t, modelOf(bytes(1, identity('weights', 'output0')), claimed))))
  const huge = { ...images(), shape: [1, 3, 40_000, 40_000] }
  const draft = writeOnnx({ inputs: [huge], outputs: [v8], metadata: { names: NAMED } })
  await assert.rejects(loadModel(save(t, draft)), /the input is larger than 4096x4096/)
  const grown = (process.memoryUsage().rss - before) / 2 ** 20
  assert.ok(grown < 100, `${grown.toFixed(0)} MiB`)
})

test('a model that never ends its inference is given up', { timeout: 30_000 }, async (t) => {
  const shape = [1, 7, 84]
  const body = Buffer.concat([
    bytes(1, identity('go', 'goOn')),
    bytes(1, identity('value', 'same')),
    text(2, 'body'),
    bytes(11, valueInfo('count', INT64)),
    bytes(11, valueInfo('go', BOOL)),
    bytes(11, valueInfo('value', FLOAT, shape)),
    bytes(12, valueInfo('goOn', BOOL)),
    bytes(12, valueInfo('same', FLOAT, shape)),
  ])
  const loop = Buffer.concat([
    ...['', 'yes', 'first'].map((name) => text(1, name)),
    text(2, 'output0'),
    text(4, 'Loop'),
    bytes(5, Buffer.concat([text(1, 'body'), bytes(6, body), number(20, 5)])),
  ])
  const settings = save(
    t,
    modelOf(
      bytes(1, loop),
      bytes(5, tensor('yes', BOOL, [], bytes(9, Buffer.of(1)))),
      bytes(5, tensor('first', FLOAT, shape, bytes(9, Buffer.alloc(7 * 84 * 4)))),
    ),
  )
  // in a process of its own, since only SIGKILL ends a thread that the runtime does not return from
  const child = spawn(process.execPath, [CHILD, settings.model], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const [message] = await once(child.stdout, 'data')
  assert.match(String(message), /no answer within 2 s/)
})
