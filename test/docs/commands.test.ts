import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { PROJECT_ROOT } from '#lib/version.ts'
import { blocksOf, commandsOf, MARKER } from './blocks.ts'

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(PROJECT_ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'))
const read = (path: string) => readFileSync(join(PROJECT_ROOT, path), 'utf8')
const SCRIPTS = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts

for (const document of DOCUMENTS) {
  const blocks = blocksOf(read(document))
  test(`each command of ${document} is run by a test, or says what it needs`, () => {
    for (const { marker, lines } of blocks) {
      const commands = commandsOf(lines)
      const at = `${document}: ${commands[0]}`
      // a measurement needs a quiet machine and minutes
      if (commands.every((command) => /^npm run (bench|soak)/.test(command))) continue
      const [, kind, value = ''] = MARKER.exec(marker) ?? []
      assert.ok(kind, `${at}: needs a line above it: <!-- tested: test/… --> or <!-- needs: … -->`)
      if (kind === 'tested') assertTested(document, { at, commands, tests: value.split(', ') })
    }
  })
}

for (const document of [
  ...DOCUMENTS,
  'CHANGELOG.md',
  'SECURITY.md',
  'CODE_OF_CONDUCT.md',
  'THIRD_PARTY_NOTICES.md',
  'models/README.md',
]) {
  test(`the links of ${document} lead to files and headings that exist`, () => assertLinks(document))
}

test('CHANGELOG.md tells of this version', () => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  assert.ok(read('CHANGELOG.md').includes(`\n## [${version}] - 20`))
})

test('blocks are found with what stands above them, fenced or indented', () => {
  const text =
    'a\n\n```sh\nx\n```\n\n<!-- needs: y -->\n```sh\nz\n\nw\n```\n\n    v\n    u\n\n- list\n    no block\n\n```yaml\na: b\n```\n'
  assert.deepEqual(
    blocksOf(text).map(({ marker, lines }) => [marker, lines.filter(Boolean).join(' ')]),
    [
      ['', 'x'],
      ['<!-- needs: y -->', 'z w'],
      ['', 'v u'],
    ],
  )
  assert.throws(() => blocksOf('\n```\nnpm start\n```\n'), /say sh/)
  assert.ok(blocksOf(read('README.md')).length >= 5)
})

test('commands are told apart, and each has a name that its test must have', () => {
  assert.deepEqual(
    commandsOf(['A=b npm ci && sudo npm start -- x', 'tar -c \\', '  . | gzip > x', '# note']),
    ['npm ci', 'npm start -- x', 'tar -c .', 'gzip > x'],
  )
  assert.equal(keyOf('npm run doctor -- --json'), 'doctor')
  assert.equal(keyOf('npm start'), 'main.ts')
  assert.equal(keyOf('deploy/install.sh --dry-run'), 'install.sh')
})

/** What a test must name to run this command: the file of an npm script, else the program. */
function keyOf(command: string): string {
  const [program = '', verb = '', name = ''] = command.split(/\s+/)
  if (program === 'npm' && verb === 'start') return 'main.ts'
  if (program === 'npm' && verb === 'run')
    return /node (\S+?)(?:\/main)?\.ts/.exec(SCRIPTS[name] ?? '')?.[1] ?? name
  if (program === 'npm') return `npm ${verb}`
  // they come with each other, and a player has no window in a test
  if (program === 'ffplay') return 'ffmpeg'
  return program.slice(program.lastIndexOf('/') + 1)
}

/** A test that takes the blocks out of the document runs them as they stand. */
function assertTested(
  document: string,
  { at, commands, tests }: { at: string; commands: string[]; tests: string[] },
): void {
  for (const path of tests) {
    assert.ok(
      /^(\.ci\/run|test\/.*\.test\.ts)$/.test(path) && existsSync(join(PROJECT_ROOT, path)),
      `${at}: no test ${path}`,
    )
  }
  const code = tests.map(read).join('\n')
  if (code.includes('shellBlocks(') && code.includes(document)) return
  for (const command of commands) {
    assert.ok(code.includes(keyOf(command)), `${at}: ${tests.join(', ')} does not run ${command}`)
  }
}

function assertLinks(document: string): void {
  const links = [...read(document).matchAll(/\]\(([^)#:\s]*)(?:#([^)\s]*))?\)/g)]
  const dead = links.filter(([, path = '', heading = '']) => {
    const target = path === '' ? document : join(dirname(document), path)
    if (!existsSync(join(PROJECT_ROOT, target))) return true
    return heading !== '' && !anchorsOf(read(target)).has(heading)
  })
  assert.deepEqual(
    dead.map(([link]) => link),
    [],
  )
}

/** Anchors of the headings, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.+)$/gm)]
  return new Set(
    headings.map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}
