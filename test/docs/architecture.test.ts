import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'

const PAGE = readFileSync(join(PROJECT_ROOT, 'docs/architecture.md'), 'utf8')

test('docs/architecture.md has each folder of the product that holds code', () => {
  const files = globSync('{bus,lib,commands,broker,services,doctor,dev}/**/*.ts', { cwd: PROJECT_ROOT })
  const folders = new Set(files.map((file) => `${dirname(file)}/`))
  assert.ok(folders.size > 30)
  const missing = [...folders].filter((folder) => !PAGE.includes(`\`${folder}\``))
  assert.deepEqual(missing, [])
})

test('each file and folder that docs/architecture.md names from the root exists', () => {
  const paths = [
    ...PAGE.matchAll(
      /`((?:bus|lib|commands|broker|services|doctor|dev|configs)\/(?:[\w./-]*(?:\/|\.\w+))?)`/g,
    ),
  ]
  assert.ok(paths.length > 40)
  assert.deepEqual(
    paths.map(([, path = '']) => path).filter((path) => !existsSync(join(PROJECT_ROOT, path))),
    [],
  )
})

test('each file in the data paths of docs/architecture.md exists', () => {
  const [, table = ''] = /\n## Data paths\n([\s\S]*?)\n## /.exec(PAGE) ?? []
  const files = [...table.matchAll(/`([\w/-]+\.ts)`/g)].map(([, file = '']) => file)
  assert.ok(files.length > 15)
  const known = globSync('{commands,services}/**/*.ts', { cwd: PROJECT_ROOT })
  assert.deepEqual(
    files.filter((file) => !known.some((path) => path === file || path.endsWith(`/${file}`))),
    [],
  )
})
