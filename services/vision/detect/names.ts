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

/** Class names of a model's metadata: a Python dictionary `{0: 'person', 1: "dog's"}` or a list. */
export function parseNames(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return undefined
  const names: string[] = []
  const entry = /(?:(\d{1,4})\s*:\s*)?(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g
  for (const [, index, single, double] of text.matchAll(entry)) {
    names[index === undefined ? names.length : Number(index)] = (single ?? double ?? '').replaceAll('\\', '')
  }
  return names.length > 0 ? Array.from(names, (name) => name ?? '') : undefined
}
