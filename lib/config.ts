import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { ConfigError } from './config-error.ts'
import { SECTION_NAMES } from './config-schema.ts'
import { interpolate } from './interpolate.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Schemas of config sections, by name. */
export type Sections = z.ZodRawShape

/** A config file that is read but not yet validated. */
export interface ConfigFile {
  path: string
  /** Top level of the YAML, `${NAME}` not yet replaced. */
  sections: Record<string, unknown>
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
 * Throws {@link ConfigError} for a file that is missing, not YAML, or has an unknown section.
 */
export function readConfigFile(path: string, processEnv: Env = process.env): ConfigFile {
  const { file, problems } = openConfigFile(path, processEnv)
  if (problems.length > 0) throw new ConfigError(problems.join('\n'))
  return file
}

/** {@link readConfigFile}, but unknown sections are returned as problems. */
function openConfigFile(path: string, processEnv: Env): { file: ConfigFile; problems: string[] } {
  const parsed = z.record(z.string(), z.unknown()).safeParse(readYaml(path) ?? {})
  if (!parsed.success) throw new ConfigError(`${shown(path)}: expected sections, as in configs/robot.yaml`)
  const unknown = Object.keys(parsed.data).filter((key) => !SECTION_NAMES.some((name) => name === key))
  const envFile = join(dirname(path), '.env')
  const fromFile = existsSync(envFile) ? parseEnv(readText(envFile)) : {}
  const names = `"${unknown.join('", "')}" (known: ${SECTION_NAMES.join(', ')})`
  return {
    file: { path, sections: parsed.data, env: { ...fromFile, ...withoutEmpty(processEnv) } },
    problems: unknown.length > 0 ? [`${shown(path)}: ✖ Unrecognized key: ${names}`] : [],
  }
}

/** Docker sets a variable that `.env` does not have to an empty text; that must not hide the value of the file. */
function withoutEmpty(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}

/**
 * The named sections, `${NAME}` replaced, defaults filled in. `optionalEnv` names keys (`cloud.device_id`) that are
 * taken from the variable of their name when they are empty, and are empty instead of an error when that is not set.
 * Throws {@link ConfigError} with file, path and reason of everything that is wrong.
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

/** {@link readConfigFile} and {@link parseSections}; collects all errors and returns the sections that are valid. */
export function collectConfig<S extends Sections>(
  path: string,
  sections: S,
  optionalEnv: readonly string[] = [],
): { values: Partial<z.infer<z.ZodObject<S>>>; problems: string[] } {
  const { file, problems } = openConfigFile(path, process.env)
  const { values, problems: further } = collectSections(file, sections, optionalEnv)
  return { values, problems: [...problems, ...further] }
}

function collectSections<S extends Sections>(
  file: ConfigFile,
  sections: S,
  optionalEnv: readonly string[],
): { values: Partial<z.infer<z.ZodObject<S>>>; problems: string[] } {
  const values: Record<string, unknown> = {}
  const problems: string[] = []
  for (const [name, schema] of Object.entries(sections)) {
    const section = parseSection(
      file,
      { [name]: schema },
      { values: file.env, optionalEnv, missing: new Map() },
    )
    if (section.problems.length === 0) values[name] = section.data?.[name]
    problems.push(...section.problems)
  }
  return { values: values as Partial<z.infer<z.ZodObject<S>>>, problems }
}

function parseSection(file: ConfigFile, section: Sections, references: References) {
  const given = Object.keys(section).map((name) => {
    const value = replaceReferences(file.sections[name] ?? undefined, name, references)
    return [name, fillFromEnvironment(value, name, references)] as const
  })
  const present = given.filter(([, value]) => value !== undefined)
  const { data, error } = z.strictObject(section).safeParse(Object.fromEntries(present))
  const { missing } = references
  const wrong = (error?.issues ?? [])
    .map((issue) => ({ at: issue.path.map(String).join('.') || basename(file.path), issue }))
    .filter(({ at }) => !missing.has(at))
    .map(({ at, issue }) => `${shown(file.path)}: ${at} ✖ ${explained(issue)}`)
  const absent = Array.from(missing, ([at, reason]) => `${shown(file.path)}: ${at} ✖ ${reason}`)
  return { data: data as Record<string, unknown> | undefined, problems: [...absent, ...wrong] }
}

/** The parser's messages quote the line of the error, which may hold a secret: only their first line is reported. */
function readYaml(path: string): unknown {
  const document = parseDocument(readText(path))
  const problem = document.errors[0]
  if (problem) throw new ConfigError(`${shown(path)}: ${problem.message.split('\n')[0]?.replace(/:$/, '')}`)
  try {
    return document.toJS()
  } catch {
    throw new ConfigError(
      `${shown(path)}: an alias (*name) without its anchor (&name): put quotes around a text`,
    )
  }
}

/** `device_secret:abc`, without the blank, is one key to YAML: it is reported only up to the colon. */
function explained(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return issue.message
  const keys = issue.keys.map(
    (key) => `"${key.replace(/[:=].*/s, (rest) => (rest.length > 1 ? ':…' : rest))}"`,
  )
  return `Unrecognized key${keys.length > 1 ? 's' : ''}: ${keys.join(', ')}`
}

interface References {
  values: Env
  /** Output: config path of each missing variable, and the error. */
  missing: Map<string, string>
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
    const value = replaceReferences(`\${${key.toUpperCase()}}`, `${name}.${key}`, references)
    given[key] = isMissing(value) ? '' : value
  }
  return given
}

function isMissing(value: unknown): boolean {
  return (
    value === undefined || value === null || (typeof value === 'string' && /^\s*(\$\{.*\})?\s*$/.test(value))
  )
}

function replaceReferences(value: unknown, path: string, env: References): unknown {
  if (typeof value === 'string') {
    try {
      return interpolate(value, env.values)
    } catch (err) {
      if (!env.optionalEnv.includes(path)) env.missing.set(path, (err as Error).message)
      return ''
    }
  }
  const inner = (entry: unknown, key: string | number) => replaceReferences(entry, `${path}.${key}`, env)
  if (Array.isArray(value)) return value.map(inner)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, inner(entry, key)]))
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    throw new ConfigError(`${shown(path)}: cannot read file (${(err as NodeJS.ErrnoException).code})`, {
      cause: err,
    })
  }
}

/** The path relative to the working directory, where it is inside it. */
function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
