/** What a commented config file says about keys that stand below each other. */
export interface Explanation {
  /** `webrtc.video.width`, in the file's order; one that has keys of its own below stands alone. */
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
  /** Of a key that is left out. */
  example: string | undefined
}

const KEY = /^( *)(# )?(\w+):(?: +(.*))?$/

/**
 * Reads the comments of a config file: a block of comment lines explains the keys that follow it up to the next block.
 * A line such as `# token: …` is a key that is left out when `isKey` knows it, else prose.
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
    // "# zones:" only stands above an example
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
