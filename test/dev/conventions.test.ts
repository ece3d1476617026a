import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forbiddenImports, roomCircles } from '#dev/conventions/imports.ts'
import { fullFolders, longFiles } from '#dev/conventions/sizes.ts'
import { wordsToAvoid } from '#dev/conventions/words.ts'

const at = (path: string, text = '') => ({ path, text })

test('services meet on the bus: an import of another service, also of its types, is found', () => {
  const other = at('services/vision/config.ts')
  const found = (path: string, text: string) =>
    forbiddenImports([other, at('lib/process/run.ts'), at(path, text)])
  assert.deepEqual(found('services/webrtc/a.ts', "import type { A } from '../vision/config.ts'"), [
    'services/webrtc/a.ts -> services/vision/config.ts',
  ])
  assert.equal(found('lib/a.ts', "import {\n  a,\n} from '#services/vision/config.ts'").length, 1)
  assert.equal(found('bus/a.ts', "const a = await import('#lib/process/run.ts')").length, 1)
  assert.deepEqual(found('services/webrtc/a.ts', "import { run } from '#lib/process/run.ts'"), [])
  assert.deepEqual(found('services/vision/track/a.ts', "import { a } from '../config.ts'"), [])
})

test('doctor and bench use the checks of a service, not its internals, and bench nothing of test', () => {
  const sources = [
    at('services/vision/checks.ts'),
    at('services/vision/detect/detector.ts'),
    at('test/helpers/app.ts'),
  ]
  const soak = at('bench/soak.ts', "import { app } from '#test/helpers/app.ts'")
  assert.deepEqual(forbiddenImports([...sources, soak]), ['bench/soak.ts -> test/helpers/app.ts'])
  const doctor = at('doctor/a.ts', "import { a } from '#services/vision/checks.ts'")
  const bench = at('bench/a.ts', "import { a } from '#services/vision/detect/detector.ts'")
  assert.deepEqual(forbiddenImports([...sources, doctor, bench]), [
    'bench/a.ts -> services/vision/detect/detector.ts',
  ])
})

test('rooms that import each other are found, directly and by way of a third', () => {
  const room = (name: string, target: string) =>
    at(`broker/${name}/a.ts`, `import type { A } from '../${target}/a.ts'`)
  assert.deepEqual(roomCircles([room('auth', 'limits'), room('limits', 'stats')]), [])
  assert.deepEqual(roomCircles([room('auth', 'limits'), room('limits', 'auth')]), [
    'broker/auth <-> broker/limits',
  ])
  assert.equal(
    roomCircles([room('auth', 'limits'), room('limits', 'stats'), room('stats', 'auth')]).length,
    3,
  )
})

test('a file of more than 400 lines and a folder of more than 20 files are found', () => {
  assert.deepEqual(longFiles([at('lib/a.ts', 'a\n'.repeat(400)), at('docs/a.md', 'a\n'.repeat(900))]), [])
  assert.equal(longFiles([at('lib/a.ts', 'a\n'.repeat(401))]).length, 1)
  const files = (count: number) => Array.from({ length: count }, (_, i) => at(`lib/${i}.ts`))
  assert.deepEqual(fullFolders([...files(20), at('lib/inner/a.ts')]), [])
  assert.equal(fullFolders(files(21)).length, 1)
})

test('words to avoid are found in prose and in identifiers, not inside other words', () => {
  const word = ['no', 'body'].join('')
  const found = (text: string) => wordsToAvoid([at('lib/a.ts', text)])
  assert.deepEqual(found(`\n// ${word} knows`), [`lib/a.ts:2: ${word}`])
  assert.equal(found(`const is${word.replace('n', 'N')}Here = ${word.toUpperCase()}_ELSE`).length, 2)
  assert.deepEqual(found('we recommend an amendment'), [])
})
