import { readFile } from 'node:fs/promises'
import { UnavailableError } from '#lib/unavailable-error.ts'

/** The 80 classes of COCO in the numbering of YOLO models. */
export const COCO: readonly string[] = `
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,
bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,
sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,
bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,
toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,
teddy bear,hair drier,toothbrush`
  .split(',')
  .map((label) => label.trim())

/** Unused ids of COCO's annotations, 0..90. */
const COCO_GAPS: ReadonlySet<number> = new Set([0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83])

/** The same classes by annotation id, 0..90, the numbering of the DETR family; unused ids are empty. */
export const COCO_91: readonly string[] = (() => {
  let next = 0
  return Array.from({ length: 91 }, (_, id) => (COCO_GAPS.has(id) ? '' : (COCO[next++] ?? '')))
})()

/** Values of `detector.names` that stand for a list. */
export const KNOWN_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['coco', COCO],
  ['coco91', COCO_91],
])

/** Class names of `detector.names`: a list, `coco`, `coco91`, or a text file with one name a line. */
export async function readNames(names: string | readonly string[]): Promise<readonly string[]> {
  if (typeof names !== 'string') return names
  const known = KNOWN_NAMES.get(names)
  if (known) return known
  const text = await readFile(names, 'utf8').catch((err: NodeJS.ErrnoException) => {
    throw new UnavailableError(`detector.names: cannot read ${names}: ${err.code}`)
  })
  return text
    .trim()
    .split(/\r?\n/)
    .map((line) => line.trim())
}

const MAX_CLASSES = 10_000
/** A Python or JSON token: a string, an integer, or a bracket, brace, colon or comma. */
const TOKEN = /\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d{1,5})(?![\w.])|([[\](){}:,]))\s*/y

type Token = { text: string } | { index: number } | { sign: string }

/**
 * Class names of a model's metadata: a list, or a dictionary from index to name or from name to index, in the syntax of
 * Python or JSON, its indices with or without quotes. Undefined for none; throws {@link UnavailableError} for anything
 * else, since a wrong name is worse than an error.
 */
export function parseNames(text: string | undefined): readonly string[] | undefined {
  const content = text?.trim() ?? ''
  if (/^([[({]\s*[\])}])?$/.test(content)) return undefined
  const names = namesIn(tokensOf(content))
  if (names) return names
  const excerpt = content.replaceAll(/\s+/g, ' ').slice(0, 60)
  throw new UnavailableError(`the class names in the metadata are ambiguous (${excerpt}): set detector.names`)
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text)
    if (!match) return []
    const [, single, double, index, sign] = match
    if (sign !== undefined) tokens.push({ sign })
    else if (index !== undefined) tokens.push({ index: Number(index) })
    else tokens.push({ text: unescaped(single ?? double ?? '') })
  }
  return tokens
}

/** Escapes of Python and JSON that are white space; any other character stands for itself. */
const WHITE_SPACE = new Set(['n', 'r', 't', 'f', 'v'])

/** One line, as in a file of names. */
function unescaped(text: string): string {
  const code = (digits: string) => String.fromCharCode(Number.parseInt(digits, 16))
  return text
    .replaceAll(/\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/g, (_, long, short, character) =>
      character === undefined ? code(long ?? short) : WHITE_SPACE.has(character) ? ' ' : character,
    )
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function namesIn(tokens: readonly Token[]): readonly string[] | undefined {
  const [open, close] = [signOf(tokens[0]), signOf(tokens.at(-1))]
  const items = itemsOf(tokens.slice(1, -1))
  if ((open === '[' && close === ']') || (open === '(' && close === ')')) return listOf(items)
  return open === '{' && close === '}' ? dictionaryOf(items) : undefined
}

const signOf = (token: Token | undefined) => (token && 'sign' in token ? token.sign : undefined)
const textOf = (token: Token | undefined) => (token && 'text' in token ? token.text : undefined)

/** The tokens between commas; a comma at the end is allowed. */
function itemsOf(tokens: readonly Token[]): Token[][] {
  const items: Token[][] = [[]]
  for (const token of tokens) {
    if (signOf(token) === ',') items.push([])
    else items.at(-1)?.push(token)
  }
  if (items.at(-1)?.length === 0) items.pop()
  return items
}

function listOf(items: readonly Token[][]): readonly string[] | undefined {
  const names = items.map((item) => (item.length === 1 ? textOf(item[0]) : undefined))
  return names.every((name) => name !== undefined) && names.length > 0 ? names : undefined
}

function dictionaryOf(items: readonly Token[][]): readonly string[] | undefined {
  const pairs = items.map(([key, colon, value, ...more]) =>
    signOf(colon) === ':' && more.length === 0 ? pairOf(key, value) : undefined,
  )
  const names: string[] = []
  for (const pair of pairs) {
    // a second name for an index, or an index that no detector has, leaves a doubt about all
    if (!pair || pair.index >= MAX_CLASSES || names[pair.index] !== undefined) return undefined
    names[pair.index] = pair.name
  }
  return names.length > 0 ? Array.from(names, (name) => name ?? '') : undefined
}

/** `0: "cat"`, `"0": "cat"` or `"cat": 0`. */
function pairOf(
  key: Token | undefined,
  value: Token | undefined,
): { index: number; name: string } | undefined {
  const index = indexOf(key)
  const name = textOf(value)
  if (index !== undefined && name !== undefined) return { index, name }
  const [inverse, label] = [value && 'index' in value ? value.index : undefined, textOf(key)]
  return inverse !== undefined && label !== undefined ? { index: inverse, name: label } : undefined
}

function indexOf(token: Token | undefined): number | undefined {
  if (token && 'index' in token) return token.index
  const text = textOf(token)
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined
}
