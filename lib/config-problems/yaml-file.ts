import { type Document, isMap, isScalar, LineCounter, parseDocument, type YAMLError } from 'yaml'
import { ConfigError } from '../config-error.ts'

type Path = readonly PropertyKey[]

const MAX_SYNTAX_ERRORS = 5
const MAX_DEPTH = 64
const TOO_DEEP = `nested deeper than ${MAX_DEPTH} levels, or an alias (*name) within its own anchor (&name)`

/** What each error of the YAML parser means for the author of the file. The parser's own messages quote the file, which may hold secrets. */
const SYNTAX_ERRORS: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'an alias (*name) without its anchor (&name); put quotes around a text that begins with *',
  BAD_INDENT: 'wrong indentation; keys of one section begin in the same column',
  BLOCK_AS_IMPLICIT_KEY: 'wrong indentation, or a text that contains ": " and needs quotes',
  BLOCK_IN_FLOW: 'lines with keys or dashes inside of { } or [ ]',
  BAD_SCALAR_START: 'a text that begins with @, ` or %; put quotes around it',
  BAD_DQ_ESCAPE: 'an unknown escape after \\; use single quotes, or write \\\\',
  DUPLICATE_KEY: 'this key is in the section twice; delete one',
  MISSING_CHAR: 'missing quote, bracket, or space after ":"',
  MULTILINE_IMPLICIT_KEY: 'a key that continues on the next line; is a ":" missing?',
  MULTIPLE_DOCS: 'a second document (---); only one is possible',
  TAB_AS_INDENT: 'tab used for indentation; use spaces',
  TAG_RESOLVE_FAILED: 'an unknown tag (!name); put quotes around a text that begins with !',
  UNEXPECTED_TOKEN: 'not valid YAML here; is a quote, a bracket or a ":" missing or one too many?',
}

/** A YAML file that knows the line and column of its values. */
export class YamlFile {
  readonly #name: string
  readonly #document: Document
  readonly #lines = new LineCounter()

  /** Throws {@link ConfigError} that names every syntax error, up to five. `name` is how errors call the file. */
  constructor(name: string, text: string) {
    this.#name = name
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
    const { errors } = this.#document
    if (errors.length > 0) {
      // of several at one place, the first is the cause
      const places = new Map(errors.toReversed().map((error) => [error.pos[0], error] as const))
      const first = Array.from(places.values()).reverse().slice(0, MAX_SYNTAX_ERRORS)
      throw new ConfigError(first.map((error) => this.#describe(error)).join('\n'))
    }
  }

  /** The content; null for an empty file. Throws {@link ConfigError} for an alias without anchor, or within its anchor. */
  content(): unknown {
    let content: unknown
    try {
      content = this.#document.toJS()
    } catch {
      throw new ConfigError(`${this.#name}: ${SYNTAX_ERRORS.BAD_ALIAS}`)
    }
    // an alias within its own anchor has no end
    if (isDeeperThan(content, MAX_DEPTH)) throw new ConfigError(`${this.#name}: ${TOO_DEEP}`)
    return content
  }

  /**
   * The value at `path`, or what holds it where it is missing; with `key`, that key in the section at `path`. As
   * `file:line:column` and in characters from the start of the file.
   */
  position(path: Path, key?: string): { shown: string; offset: number } {
    for (let length = path.length; length >= 0; length--) {
      const node: unknown = this.#document.getIn(path.slice(0, length), true)
      const offset = (length === path.length && keyOffset(node, key)) || offsetOf(node)
      if (offset === undefined) continue
      // what is missing is looked for where its section begins, at the key of the section
      const isHolder = length < path.length && length > 0
      const parent: unknown = isHolder ? this.#document.getIn(path.slice(0, length - 1), true) : undefined
      const start = keyOffset(parent, path[length - 1]) ?? offset
      return { shown: this.#at(start), offset: start }
    }
    return { shown: this.#name, offset: 0 }
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.#name}:${line}:${col}`
  }

  #describe(error: YAMLError): string {
    return `${this.#at(error.pos[0])}: ${SYNTAX_ERRORS[error.code] ?? 'not valid YAML here'}`
  }
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((one) => isDeeperThan(one, levels - 1))
}

function offsetOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] | null } | undefined)?.range?.[0]
}

function keyOffset(map: unknown, key: PropertyKey | undefined): number | undefined {
  if (key === undefined || !isMap(map)) return undefined
  const pair = map.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
  return offsetOf(pair?.key)
}
