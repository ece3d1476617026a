/** The comment of a config file that explains a group of keys. */
export interface Explanation {
  /** Such as `webrtc.video.width`, in the order of the file; a key that holds other keys is a group of its own. */
  paths: string[]
  /** Whether keys follow that are indented further. */
  hasKeys: boolean
  /** Lines without `#`; examples keep their indentation of two and more. */
  lines: string[]
}

interface Line {
  indent: number
  name: string
  path: string
  hasKeys: boolean
  isTitle: boolean
  /** The line of a key that is commented out. */
  example: string | undefined
}

const KEY = /^( *)(# )?(\w+):(?: +(.*))?$/

/**
 * Reads the comments of a config file: a block of comment lines explains the keys that follow it up to the next block.
 * A line such as `# token: …` is a key that is commented out if `isKey` knows it, else prose.
 */
export function explanations(text: string, isKey: (path: string) => boolean): Explanation[] {
  const reader = new Reader(isKey)
  for (const line of text.split('\n')) reader.read(line)
  return reader.found
}

class Reader {
  readonly found: Explanation[] = []
  readonly #isKey: (path: string) => boolean
  readonly #parents: { indent: number; name: string }[] = []
  #comment: string[] = []

  constructor(isKey: (path: string) => boolean) {
    this.#isKey = isKey
  }

  read(line: string): void {
    const key = this.#keyOf(line)
    if (key?.isTitle) return
    if (key) this.#take(key)
    else if (line.trim().startsWith('#')) this.#comment.push(line.trim().replace(/^# ?/, ''))
    else if (line.trim() === '') this.#comment = []
  }

  #keyOf(line: string): Line | undefined {
    const [, indentation = '', hash, name, value = ''] = KEY.exec(line) ?? []
    if (name === undefined) return undefined
    const indent = indentation.length
    const parents = this.#parents.filter((parent) => parent.indent < indent)
    const path = [...parents.map((parent) => parent.name), name].join('.')
    if (hash && !this.#isKey(path)) return undefined
    // "# zones:" is the heading of an example
    const isTitle = hash !== undefined && value === ''
    return { indent, name, path, isTitle, hasKeys: value === '', example: hash && `  ${name}: ${value}` }
  }

  #take(key: Line): void {
    while ((this.#parents.at(-1)?.indent ?? -1) >= key.indent) this.#parents.pop()
    this.#parents.push(key)
    const last = this.found.at(-1)
    const example = key.example === undefined ? [] : [key.example]
    const joins = this.#comment.length === 0 && last !== undefined && !last.hasKeys && !key.hasKeys
    if (joins && siblings(last.paths.at(-1) ?? '', key.path)) {
      last.paths.push(key.path)
      last.lines.push(...example)
    } else {
      this.found.push({ paths: [key.path], hasKeys: key.hasKeys, lines: [...this.#comment, ...example] })
    }
    this.#comment = []
  }
}

function siblings(one: string, other: string): boolean {
  return one.slice(0, one.lastIndexOf('.')) === other.slice(0, other.lastIndexOf('.'))
}
