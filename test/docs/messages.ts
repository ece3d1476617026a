import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'

const FOLDERS = ['bus', 'lib', 'commands', 'broker', 'services', 'dev']

/** Every source file of the product that writes log lines, by path. */
export function sources(folders: readonly string[] = FOLDERS): Map<string, string> {
  const names = folders.flatMap((folder) =>
    readdirSync(join(PROJECT_ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      join(folder, name),
    ),
  )
  const scripts = [...names, 'main.ts'].filter((name) => name.endsWith('.ts'))
  return new Map(scripts.map((name) => [name, readFileSync(join(PROJECT_ROOT, name), 'utf8')]))
}

/** What a call of `warn`, `error` or `fatal` says: its text with `…` for what is filled in, else the expression that tells it. */
export interface Said {
  file: string
  text?: string
  expression?: string
}

const CALL = /\b(?:warn|error|fatal)\(/g
const LITERAL = /(?:^|[\s,])(?:'((?:\\.|[^'\\])*)'|`((?:\\.|[^`\\])*)`),?$/

/** Every warning and error that a file can log. */
export function saidIn(file: string, code: string): Said[] {
  return [...code.matchAll(CALL)].flatMap(({ 0: call, index }) => {
    const inside = argumentsAt(code, index + call.length)
    // a declaration, or a logger that says nothing
    if (inside === '' || /^\w+: \w+/.test(inside)) return []
    const [, plain, template] = LITERAL.exec(inside) ?? []
    const text = plain ?? template?.replaceAll(/\$\{[^}]*\}/g, '…')
    return [text === undefined ? { file, expression: lastOf(inside) } : { file, text }]
  })
}

/** The sums that a tally logs as warnings. */
export function talliesIn(file: string, code: string): Said[] {
  const calls = code.matchAll(/\bcreateEventCounter\([^']*'([^']+)'(.*)/g)
  return [...calls].flatMap(([, text = '', rest = '']) => (rest.includes("'info'") ? [] : [{ file, text }]))
}

const TOKEN = /'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|[([{]|[)\]}]/g

/** What stands between the parentheses; `from` is behind the opening one. */
function argumentsAt(code: string, from: number): string {
  let depth = 1
  for (const { 0: token, index } of code.slice(from).matchAll(TOKEN)) {
    if ('([{'.includes(token)) depth++
    else if (')]}'.includes(token)) depth--
    if (depth === 0)
      return code
        .slice(from, from + index)
        .trim()
        .replace(/,$/, '')
  }
  throw new Error('a call that does not end')
}

function lastOf(inside: string): string {
  return inside.slice(inside.lastIndexOf(', ') + 1).trim()
}
