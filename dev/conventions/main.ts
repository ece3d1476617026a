import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openConsole } from '#lib/process/console.ts'
import { forbiddenImports, roomCircles } from './imports.ts'
import { fullFolders, longFiles } from './sizes.ts'
import { readSources } from './sources.ts'
import { wordsToAvoid } from './words.ts'

const RULES = {
  'imports between areas': forbiddenImports,
  'rooms that import each other': roomCircles,
  'long files': longFiles,
  'full folders': fullFolders,
  'words to avoid': wordsToAvoid,
}

/**
 * Findings of each rule that are left from before the rule; the numbers may only fall. `words to avoid` is counted per area.
 */
const allowed: Record<string, number> = JSON.parse(
  readFileSync(new URL('./allowed.json', import.meta.url), 'utf8'),
)

// --list prints every finding, --ratchet lowers the numbers of allowed.json to what is left
const { values } = parseArgs({ options: { list: { type: 'boolean' }, ratchet: { type: 'boolean' } } })
const console = openConsole()
const sources = readSources()
const findings = new Map<string, string[]>()
for (const [rule, find] of Object.entries(RULES)) {
  const found = find(sources)
  if (rule !== 'words to avoid') findings.set(rule, found)
  else for (const [area, words] of Map.groupBy(found, areaOf)) findings.set(`${rule}: ${area}`, words)
}
for (const [name, list] of findings) {
  const limit = allowed[name] ?? 0
  if (list.length > limit) process.exitCode = 1
  if (list.length > limit || values.list) {
    console.write(`${name}: ${list.length}, ${limit} allowed\n${list.map((one) => `  ${one}\n`).join('')}`)
  }
}
if (values.ratchet) {
  const left = [...findings].map(([name, list]) => [name, Math.min(list.length, allowed[name] ?? 0)] as const)
  const lowered = Object.fromEntries(left.filter(([, count]) => count > 0).sort())
  writeFileSync(new URL('./allowed.json', import.meta.url), `${JSON.stringify(lowered, null, 2)}\n`)
}

/** services/vision, test/webrtc, lib …; `root` for the files beside package.json. */
function areaOf(finding: string): string {
  const path = finding.slice(0, finding.indexOf(':'))
  const [first = '', second, third] = path.split('/')
  if (second === undefined) return 'root'
  return ['services', 'test', 'dev'].includes(first) && third !== undefined ? `${first}/${second}` : first
}
