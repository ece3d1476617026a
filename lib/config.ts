import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { z } from 'zod'
import { ConfigError } from './config-error.ts'
import { nearMiss } from './config-problems/near-miss.ts'
import { describeProblems, type Problem, parseWithProblems } from './config-problems/section-problems.ts'
import { YamlFile } from './config-problems/yaml-file.ts'
import { SECTION_NAMES } from './config-schema.ts'
import { interpolate } from './interpolate.ts'
import { isObject } from './json-object.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Schemas of config sections, by name. */
export type Sections = z.ZodRawShape

/** A config file that is read but not yet validated. */
export interface ConfigFile {
  path: string
  yaml: YamlFile
  /** Top level of the YAML, `${NAME}` not yet replaced. */
  sections: Record<string, unknown>
  /** Unknown sections. */
  problems: readonly Problem[]
  env: Env
}

/** The config file of this process: `--config`, else `WIMZ_CONFIG`, else `fallback`. Absolute. */
export function configPath(fallback: string): string {
  const { values } = parseArgs({ options: { config: { type: 'string' } }, strict: false })
  const named = typeof values.config === 'string' ? values.config : process.env.WIMZ_CONFIG
  return resolve(named || fallback)
}

/**
 * Reads a YAML file and the `.env` beside it; the process environment takes precedence over `.env`, except where it is empty.
 * Throws {@link ConfigError} for a file that is missing or not YAML.
 */
export function readConfigFile(path: string, processEnv: Env = process.env): ConfigFile {
  const yaml = new YamlFile(shown(path), readText(path))
  const content = yaml.content() ?? {}
  if (!isObject(content)) {
    throw new ConfigError(`${shown(path)}:1:1: expected sections, as in configs/robot.yaml`)
  }
  const unknown = Object.keys(content).filter((key) => !SECTION_NAMES.some((name) => name === key))
  const envFile = join(dirname(path), '.env')
  const fromFile = existsSync(envFile) ? parseEnv(readText(envFile)) : {}
  const env = { ...fromFile, ...withoutEmpty(processEnv) }
  return { path, yaml, sections: content, problems: unknown.map(unknownSection), env }
}

function unknownSection(key: string): Problem {
  const near = nearMiss(key, SECTION_NAMES)
  const hint = near ? `did you mean ${near}?` : `known: ${SECTION_NAMES.join(', ')}`
  return { path: [], key, text: `unknown section; ${hint}` }
}

/** Docker sets a variable that `.env` does not have to an empty text; that must not hide the value of the file. */
function withoutEmpty(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

/**
 * The named sections, `${NAME}` replaced, defaults filled in. `optionalEnv` names keys (`cloud.device_id`) that are
 * taken from the variable of their name when they are empty, and are empty instead of an error when that is not set.
 * Throws {@link ConfigError} with file, line, path and reason of everything that is wrong.
 */
export function parseSections<S extends Sections>(
  file: ConfigFile,
  sections: S,
  optionalEnv: readonly string[] = [],
): z.infer<z.ZodObject<S>> {
  const { values, problems } = collectSections(file, sections, optionalEnv)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  return values as z.infer<z.ZodObject<S>>
}

/** {@link readConfigFile} and {@link parseSections}; collects all errors and returns the sections that are valid, defaults included. */
export function collectConfig<S extends Sections>(
  path: string,
  sections: S,
  optionalEnv: readonly string[] = [],
): { values: Partial<z.infer<z.ZodObject<S>>>; problems: string[] } {
  const file = readConfigFile(path)
  const { values, problems } = collectSections(file, sections, optionalEnv)
  // a section under a wrong name must not be taken for one that is left out
  const misnamed = file.problems.flatMap(({ key }) => nearMiss(key ?? '', SECTION_NAMES) ?? SECTION_NAMES)
  const isDoubtful = (name: string) => !(name in file.sections) && misnamed.some((one) => one === name)
  const sure = Object.entries(values).filter(([name]) => !isDoubtful(name))
  return { values: Object.fromEntries(sure) as typeof values, problems }
}

function collectSections<S extends Sections>(
  file: ConfigFile,
  sections: S,
  optionalEnv: readonly string[],
): { values: Partial<z.infer<z.ZodObject<S>>>; problems: string[] } {
  const values: Record<string, unknown> = {}
  const problems: Problem[] = [...file.problems]
  const whole = z.object(sections)
  for (const [name, schema] of Object.entries(sections)) {
    const references: References = { values: file.env, optionalEnv, missing: [] }
    const replaced = replaceReferences(file.sections[name] ?? undefined, [name], references)
    const value = fillFromEnvironment(replaced, name, references)
    const section = z.strictObject({ [name]: schema })
    const given = value === undefined ? {} : { [name]: value }
    const { data, problems: found } = parseWithProblems(section, given, { written: file.sections, whole })
    const { missing } = references
    problems.push(...missing, ...found.filter(({ path }) => !missing.some((one) => same(one.path, path))))
    if (found.length === 0 && missing.length === 0) values[name] = (data as Record<string, unknown>)[name]
  }
  return {
    values: values as Partial<z.infer<z.ZodObject<S>>>,
    problems: describeProblems(file.yaml, problems),
  }
}

function same(a: readonly PropertyKey[], b: readonly PropertyKey[]): boolean {
  return a.join('.') === b.join('.')
}

interface References {
  values: Env
  /** Output: keys whose variable is missing. */
  missing: Problem[]
  optionalEnv: readonly string[]
}

/**
 * An optional key that is missing or empty is taken from the variable of its name: `cloud.device_id` from `DEVICE_ID`, as
 * configs of older robots expect. A value that still looks like a reference counts as missing.
 */
function fillFromEnvironment(section: unknown, name: string, references: References): unknown {
  if (section !== undefined && (typeof section !== 'object' || Array.isArray(section))) return section
  const given: Record<string, unknown> = { ...section }
  const keys = references.optionalEnv
    .filter((path) => path.startsWith(`${name}.`))
    .map((path) => path.slice(name.length + 1))
    .filter((key) => isMissing(given[key]))
  if (keys.length === 0) return section
  for (const key of keys) {
    const value = replaceReferences(`\${${key.toUpperCase()}}`, [name, key], references)
    given[key] = isMissing(value) ? '' : value
  }
  return given
}

function isMissing(value: unknown): boolean {
  return (
    value === undefined || value === null || (typeof value === 'string' && /^\s*(\$\{.*\})?\s*$/.test(value))
  )
}

function replaceReferences(value: unknown, path: readonly PropertyKey[], env: References): unknown {
  if (typeof value === 'string') {
    try {
      return interpolate(value, env.values)
    } catch (err) {
      if (!env.optionalEnv.includes(path.join('.'))) env.missing.push({ path, text: (err as Error).message })
      return ''
    }
  }
  const inner = (entry: unknown, key: string | number) => replaceReferences(entry, [...path, key], env)
  if (Array.isArray(value)) return value.map(inner)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, inner(entry, key)]))
}

/** What the operator can do where a file cannot be read. */
const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'file not found (ENOENT); name one with --config or WIMZ_CONFIG, or copy configs/robot.yaml',
  EACCES: 'permission denied (EACCES); check its owner and mode',
  EISDIR: 'is a folder (EISDIR); name a file in it',
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    const { code = String(err) } = err as NodeJS.ErrnoException
    const hint = UNREADABLE[code] ?? `cannot be read (${code})`
    throw new ConfigError(`${shown(path)}: ${hint}`, { cause: err })
  }
}

/** The path relative to the working directory, where it is inside it. */
function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
