import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ModelDraft, type Value, writeOnnx } from '#dev/harness/onnx-writer.ts'
import { DetectorSection } from '#services/vision/config.ts'
import { loadModel } from '#services/vision/detect/model.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { BOX, images, MODELS, NAMED, NAMES, PICTURE, v8 } from './known-models.ts'

function saved(t: TestContext, draft: ModelDraft): string {
  const path = join(temporaryFolder(t), 'model.onnx')
  writeFileSync(path, writeOnnx(draft))
  return path
}

async function load(t: TestContext, draft: ModelDraft, settings: object = {}) {
  const model = await loadModel(DetectorSection.parse({ model: saved(t, draft), ...settings }))
  t.after(() => model[Symbol.asyncDispose]())
  return model
}

async function assertSeesDog(
  t: TestContext,
  draft: ModelDraft,
  settings: object,
  format: string,
): Promise<void> {
  const model = await load(t, draft, settings)
  assert.equal(model.facts.format, format)
  const { candidates } = await model.detect(PICTURE, 0.5)
  assert.deepEqual(
    candidates.map(({ label }) => label),
    ['dog'],
  )
  const [dog] = candidates
  assert.ok(Math.abs((dog?.score ?? 0) - 0.8) < 0.01, `score ${dog?.score}`)
  for (const [i, value] of BOX.entries()) {
    assert.ok(Math.abs((dog?.box[i] ?? 0) - value) < 0.01, `box ${dog?.box}`)
  }
}

for (const [name, { draft, settings = {}, format }] of Object.entries(MODELS)) {
  test(`a dog is detected at its position by ${name}`, (t) => assertSeesDog(t, draft, settings, format))
}

const one = (shape: Value['shape'], metadata: Record<string, string> = {}): ModelDraft => ({
  inputs: [images()],
  outputs: [{ name: 'output0', shape }],
  metadata,
})

/** What is no detector that is known for sure, and what its refusal says. */
const REFUSED: Record<string, { draft: ModelDraft; settings?: object; says: RegExp }> = {
  'a model for segments': { draft: one([1, 39, 84], { task: 'segment', names: NAMED }), says: /"segment"/ },
  'an unknown second output': {
    draft: { inputs: [images()], outputs: [v8, { name: 'output1', shape: [1, 32, 16, 16] }] },
    says: /detector\.format.*output1 float32 \[1, 32, 16, 16\]/,
  },
  'a classifier': {
    draft: one([1, 1000]),
    says: /detector\.format.*inputs: images float32 \[1, 3, 64, 64\]/,
  },
  'as many rows as places': { draft: one([1, 84, 84]), says: /set detector/ },
  'six columns that may be a score and a class, or two classes': {
    draft: one([1, 300, 6], { names: "['cat', 'dog']" }),
    says: /detector\.format/,
  },
  'classes without names': { draft: one([1, 11, 84]), says: /7 classes.*detector\.names/ },
  'an unknown number of classes': { draft: one([1, 300, 6]), says: /unknown number of classes.*names: coco/ },
  'as many names as it has no classes': {
    draft: one([1, 11, 84]),
    settings: { names: NAMES },
    says: /7 classes/,
  },
  'an input of any size': {
    draft: { inputs: [{ name: 'images', shape: [1, 3, 'h', 'w'] }], outputs: [v8] },
    says: /detector\.size/,
  },
  'a wrong number of class names in the metadata': {
    draft: { inputs: [images()], outputs: [v8], metadata: { names: '["cat", "dog"]' } },
    says: /2 class names in the metadata, but the model has 3 classes/,
  },
  'a wrong number of class names in the config': {
    draft: { inputs: [images()], outputs: [v8], metadata: { names: NAMED } },
    settings: { names: ['cat', 'dog', 'bird', 'fish'] },
    says: /4 class names in detector\.names, but the model has 3 classes/,
  },
  'a batch of two': {
    draft: { inputs: [{ name: 'images', shape: [2, 3, 64, 64] }], outputs: [v8], metadata: { names: NAMED } },
    says: /batches of 2 images/,
  },
  'an unsupported input': {
    draft: {
      inputs: [images(), { name: 'prompt', type: 'int64', shape: [1, 8] }],
      outputs: [v8],
      metadata: { names: NAMED },
    },
    says: /prompt int64/,
  },
  'half precision, which onnxruntime-node does not support': {
    draft: {
      inputs: [images('images', 'float16')],
      outputs: [{ ...v8, type: 'float16' }],
      metadata: { names: NAMED },
    },
    says: /images float16.*with float32/,
  },
  'half precision in the output alone': {
    draft: { inputs: [images()], outputs: [{ ...v8, type: 'float16' }], metadata: { names: NAMED } },
    says: /output0 float16.*with float32/,
  },
  'integer images': {
    draft: { inputs: [images('images', 'int32')], outputs: [v8], metadata: { names: NAMED } },
    says: /images int32|float32/,
  },
}

for (const [name, { draft, settings = {}, says }] of Object.entries(REFUSED)) {
  test(`rejected, with shapes and advice: ${name}`, async (t) => {
    await assert.rejects(load(t, draft, settings), says)
  })
}

test('the config takes precedence over the file', async (t) => {
  const draft = { inputs: [images()], outputs: [v8], metadata: { names: NAMED, letterbox: 'stretch' } }
  assert.equal((await load(t, draft)).facts.letterbox, 'stretch')
  const settings = { letterbox: 'centre', scale: 'byte', colours: 'bgr', names: ['a', 'dog', 'b'] }
  const model = await load(t, draft, settings)
  const { letterbox, scale, colours } = model.facts
  assert.deepEqual([letterbox, scale, colours], ['centre', 'byte', 'bgr'])
  await assertSeesDog(t, draft, settings, 'yolov8')
})

test('a model is named by its metadata, in plain text of one short line', async (t) => {
  const described = async (description?: string) => {
    const metadata = { names: NAMED, ...(description === undefined ? {} : { description }) }
    return (await load(t, { inputs: [images()], outputs: [v8], metadata })).facts.description
  }
  assert.equal(await described(), null)
  assert.equal(await described(' '), null)
  assert.equal(await described('Ultralytics YOLO11n'), 'Ultralytics YOLO11n')
  assert.equal(await described('Größe\u001b[31m\n\u202eneu\u0000'), 'Größe [31m neu')
  assert.equal((await described('x'.repeat(1_000)))?.length, 100)
})

for (const [format, { draft, settings = {} }] of Object.entries(MODELS)) {
  if (!draft.metadata?.names) continue
  test(`class names in Python and JSON syntax give the same labels: ${format}`, async (t) => {
    const written = [NAMED, '{"0": "cat", "1": "dog", "2": "bird"}', '["cat", "dog", "bird"]']
    for (const names of written) {
      await assertSeesDog(
        t,
        { ...draft, metadata: { ...draft.metadata, names } },
        settings,
        MODELS[format]?.format ?? '',
      )
    }
  })
}

test('class names are read from a text file, one a line', async (t) => {
  const names = join(temporaryFolder(t), 'names.txt')
  writeFileSync(names, 'cat\r\ndog\r\nbird\r\n')
  await assertSeesDog(t, { inputs: [images()], outputs: [v8] }, { names }, 'yolov8')
  await assert.rejects(
    load(t, { inputs: [images()], outputs: [v8] }, { names: `${names}.none` }),
    /cannot read.*ENOENT/,
  )
})

test('a copyleft license is found in the metadata', async (t) => {
  const metadata = { names: NAMED, license: 'AGPL-3.0 License (https://ultralytics.com/license)' }
  const { facts } = await load(t, { inputs: [images()], outputs: [v8], metadata })
  assert.match(facts.licence ?? '', /AGPL/)
})
