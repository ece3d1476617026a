import { stripTypeScriptTypes } from 'node:module'

/** One change to a source file: `find` at `at` becomes `replace`. */
export interface Fault {
  at: number
  find: string
  replace: string
  /** Line number, from 1. */
  line: number
  /** The line before the change, trimmed. */
  text: string
}

const OPPOSITES: Readonly<Record<string, string>> = {
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
  '===': '!==',
  '!==': '===',
  '&&': '||',
  '||': '&&',
  '+': '-',
  '-': '+',
  '*': '/',
  'Math.min': 'Math.max',
  'Math.max': 'Math.min',
}

/** Each operator: where it applies in code without types, strings and comments, and what stands there afterwards. */
const OPERATORS: readonly [pattern: RegExp, replace: (found: string) => string][] = [
  [/(?<=[\w)\]}] )(?:<=|>=|<|>|===|!==|&&|\|\||\+|-|\*)(?= )/g, opposite],
  [/\bMath\.(?:min|max)\b/g, opposite],
  // a guard is dropped
  [/(?<=^ *)if \(.*\) [^{\n]*[^{\n]$(?!\n *else)/gm, () => ''],
  [/(?<=^ *(?:\} else )?if \().*(?=\) \{$)/gm, () => 'false'],
  [/(?<=\bif \()!(?=[\w(])/g, () => ''],
  // a constant that is ten times as large
  [/(?<![\w.[])(?!(?:0|1)(?![\d_.]))\d[\d_]*(?:\.\d+)?(?![\w\]])/g, (found) => `(${found} * 10)`],
  // the opposite answer
  [/(?<=\breturn )(?:true|false)$/gm, (found) => String(found === 'false')],
  // something is not cleaned up
  [
    /(?<=^ *)(?:await )?[\w.#?]+(?:\.|\[)(?:close|delete|clear|free|abort|kill|end|destroy|terminate|Symbol\.(?:asyncD|d)ispose\])\(.*\)$/gm,
    () => '',
  ],
  [/(?<=^ *)clear(?:Timeout|Interval)\(.*\)$/gm, () => ''],
  // nothing waits for it
  [/(?<=^ *)await (?=[\w.#]+\()/gm, () => 'void '],
]

function opposite(found: string): string {
  return OPPOSITES[found] ?? found
}

/** Every fault that the operators can make in this TypeScript source, in order. */
export function faultsOf(source: string): Fault[] {
  const code = blankText(stripTypeScriptTypes(source))
  const faults = OPERATORS.flatMap(([pattern, replace]) =>
    Array.from(code.matchAll(pattern), ({ index, 0: found }) => {
      const find = source.slice(index, index + found.length)
      return { at: index, find, replace: replace(find), ...lineOf(source, index) }
    }),
  )
  return faults.sort((a, b) => a.at - b.at)
}

/** Where in a text an offset lies. */
export function lineOf(source: string, at: number): Pick<Fault, 'line' | 'text'> {
  const line = source.slice(0, at).split('\n').length
  return { line, text: (source.split('\n')[line - 1] ?? '').trim() }
}

/** The same code with spaces instead of comments and of what strings and regular expressions hold. */
function blankText(code: string): string {
  const literal =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[(,=:] |\()\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n[])+\/\w*/g
  return code.replaceAll(literal, (text) => text.replaceAll(/[^\n]/g, '_'))
}
