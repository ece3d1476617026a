import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { writeOnnx } from '#dev/harness/onnx-writer.ts'
import { parseNames } from '#services/vision/detect/names.ts'
import { readMetadata } from '#services/vision/detect/onnx-metadata.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'

const MODEL = writeOnnx({
  inputs: [{ name: 'images', shape: [1, 3, 8, 8] }],
  outputs: [{ name: 'output', shape: [1, 5, 1000] }],
  metadata: { task: 'detect', names: "{0: 'dog'}", empty: '', ünïcode: '狗' },
})

test('metadata is read, the graph is skipped', async (t) => {
  const path = join(temporaryFolder(t), 'model.onnx')
  writeFileSync(path, MODEL)
  assert.deepEqual(Object.fromEntries(await readMetadata(path)), {
    task: 'detect',
    names: "{0: 'dog'}",
    empty: '',
    ünïcode: '狗',
  })
  assert.equal((await readMetadata('models/ssdlite-mobilenet-v2-300.onnx')).get('task'), 'detect')
})

test('a damaged file yields no or partial metadata without an error', async (t) => {
  const path = join(temporaryFolder(t), 'model.onnx')
  const damage = fc.array(fc.tuple(fc.nat(MODEL.length - 1), fc.nat(255)), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(damage, fc.nat(MODEL.length), async (bytes, end) => {
      const damaged = Buffer.from(MODEL)
      for (const [at, byte] of bytes) damaged[at] = byte
      writeFileSync(path, damaged.subarray(0, end))
      assert.ok((await readMetadata(path)).size <= 200)
    }),
    { numRuns: 300 },
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      writeFileSync(path, bytes)
      await readMetadata(path)
    }),
    { numRuns: 300 },
  )
})

test('class names in Python and JSON syntax are read', () => {
  assert.deepEqual(parseNames(`{0: 'person', 1: "dog's", 2: 'hot dog'}`), ['person', "dog's", 'hot dog'])
  assert.deepEqual(parseNames("['cat', 'dog']"), ['cat', 'dog'])
  assert.deepEqual(parseNames("{0: 'a', 3: 'd'}"), ['a', '', '', 'd'])
  assert.deepEqual(parseNames('{"0": "cat", "1": "dog\\u0027s"}'), ['cat', "dog's"])
  assert.deepEqual(parseNames(`{'1': 'dog', '0': "cat"}`), ['cat', 'dog'])
  assert.deepEqual(parseNames('["cat", "dog",]'), ['cat', 'dog'])
  assert.deepEqual(parseNames("('cat', 'dog')"), ['cat', 'dog'])
  assert.deepEqual(parseNames('{"cat": 0, "dog": 1}'), ['cat', 'dog'])
  assert.deepEqual(parseNames('["0", "1"]'), ['0', '1'], 'numbers as names')
  assert.deepEqual(parseNames(String.raw`{0: "dog\n", 1: "a\tcat", 2: "c\\n", 3: "\x64og"}`), [
    'dog',
    'a cat',
    'c\\n',
    'dog',
  ])
  for (const nothing of [undefined, '', ' ', '{}', '[]']) assert.equal(parseNames(nothing), undefined)
})

test('class names that leave a doubt are an error, never a guess', () => {
  const doubtful = [
    '7',
    'cat, dog',
    '{"0": "cat", "0": "dog"}',
    "{0: 'cat', 0: 'dog'}",
    '{"cat", "dog"}',
    '[["cat"], ["dog"]]',
    "{'names': ['cat', 'dog']}",
    '["cat", 1]',
    '{99999: "cat"}',
    '{"cat": 0, "dog": 0}',
    "['cat' 'dog']",
    "['cat', 'dog'",
  ]
  for (const text of doubtful) assert.throws(() => parseNames(text), /ambiguous.*set detector\.names/, text)
})
