// node prepare-settings.ts <examples> <folder> <group id>: gives the owner's folder a robot.yaml at the first start, never
// overwrites it, and reports the keys that are new or gone since the version that started before.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { adviceOn } from '#lib/process/disk.ts'
import { VERSION } from '#lib/version.ts'
import { ALL_SECTIONS } from './config-schema.ts'

const Known = z.object({ version: z.string(), keys: z.array(z.string()) })

interface Schema {
  properties?: Record<string, Schema>
  anyOf?: Schema[]
  allOf?: Schema[]
}

/** Path of every key of the config, as `vision.detector.enabled`. */
function allKeys(): string[] {
  const schema = z.toJSONSchema(z.object(ALL_SECTIONS), { io: 'input', unrepresentable: 'any' })
  return [...new Set(keysOf(schema as Schema, ''))].sort()
}

function keysOf({ properties = {}, anyOf = [], allOf = [] }: Schema, prefix: string): string[] {
  const own = Object.entries(properties).flatMap(([name, inner]) => [
    `${prefix}${name}`,
    ...keysOf(inner, `${prefix}${name}.`),
  ])
  return [...own, ...[...anyOf, ...allOf].flatMap((inner) => keysOf(inner, prefix))]
}

function prepare(examples: string, folder: string, group: number): void {
  const path = join(folder, 'robot.yaml')
  if (!existsSync(path)) {
    copyFileSync(join(examples, 'robot.yaml'), path)
    own(path, folder, group)
    print(`created ${path}`)
  }
  if (existsSync(join(folder, '.env'))) {
    print(
      `${folder}/.env can be read by every service: move the identity to the place that docs/operating.md names`,
    )
  }
  reportChanges(join(folder, '.keys.json'), folder, group)
}

function reportChanges(path: string, folder: string, group: number): void {
  const known = readKnown(path)
  const keys = allKeys()
  if (known) {
    const added = keys.filter((key) => !known.keys.includes(key))
    const gone = known.keys.filter((key) => !keys.includes(key))
    if (added.length > 0)
      print(`new keys since ${known.version}: ${added.join(', ')} (docs/configuration.md)`)
    if (gone.length > 0) print(`gone since ${known.version}, remove them from robot.yaml: ${gone.join(', ')}`)
    if (known.version === VERSION && added.length + gone.length === 0) return
  }
  writeFileSync(path, `${JSON.stringify({ version: VERSION, keys })}\n`)
  own(path, folder, group)
}

function readKnown(path: string): z.infer<typeof Known> | undefined {
  try {
    return Known.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined // the first start, or damaged: nothing to compare with
  }
}

/** The folder's owner may edit, and the services may read. */
function own(path: string, folder: string, group: number): void {
  chmodSync(path, 0o640)
  if (process.getuid?.() === 0) chownSync(path, statSync(folder).uid, group)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

const [examples, folder, group] = process.argv.slice(2)
if (examples === undefined || folder === undefined || group === undefined) {
  process.stderr.write('usage: node prepare-settings.ts <examples> <folder> <group id>\n')
  process.exitCode = 64
} else {
  try {
    prepare(examples, folder, Number(group))
  } catch (err) {
    process.stderr.write(`cannot prepare ${folder}: ${(err as Error).message}; ${adviceOn(err)}\n`)
    process.exitCode = 1
  }
}
