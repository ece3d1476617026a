import { openConsole } from '#lib/process/console.ts'
import { forbiddenImports, roomCircles } from './imports.ts'
import { fullFolders, longFiles } from './sizes.ts'
import { readSources } from './sources.ts'
import { wordsToAvoid } from './words.ts'

/** The rules of CONTRIBUTING.md that Biome does not know. Prints each finding; the exit code is 1 if there is one. */
const RULES = {
  'imports between areas': forbiddenImports,
  'rooms that import each other': roomCircles,
  'long files': longFiles,
  'full folders': fullFolders,
  'words to avoid': wordsToAvoid,
}

const console = openConsole()
const sources = readSources()
for (const [rule, find] of Object.entries(RULES)) {
  const found = find(sources)
  if (found.length === 0) continue
  process.exitCode = 1
  console.write(`${rule}: ${found.length}\n${found.map((one) => `  ${one}\n`).join('')}`)
}
