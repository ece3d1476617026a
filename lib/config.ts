import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { ConfigError } from './config-error.ts'
import { interpolate } from './interpolate.ts'
import { SECTION_NAMES } from './sections.ts'

type Env = Readonly<Record<string, string | undefined>>

/** Schemas of the sections that somebody needs, by name. */
export type Sections = z.ZodRawShape

/** A config file that was read but not yet looked into. */
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
 * Reads a YAML file and the `.env` beside it; what the environment already has wins over `.env`.
 * Throws {@link ConfigError} for a file that is missing, no YAML, or has a section nobody knows.
 */
export function readConfigFile(path: string, processEnv: Env = process.env): ConfigFile {
  const parsed = z.record(z.string(), z.unknown()).safeParse(readYaml(path) ?? {})
  if (!parsed.success) throw new ConfigError(`${shown(path)}: expected sections, as in configs/robot.yaml`)
  const unknown = Object.keys(parsed.data).filter((key) => !SECTION_NAMES.some((name) => name === key))
  if (unknown.length > 0) {
    throw new ConfigError(
      `${shown(path)}: ✖ Unrecognized key: "${unknown.join('", "')}" (known: ${SECTION_NAMES.join(', ')})`,
    )
  }
  const envFile = join(dirname(path), '.env')
  const fromFile = existsSync(envFile) ? parseEnv(readText(envFile)) : {}
  return { path, sections: parsed.data, env: { ...fromFile, ...processEnv } }
}

/**
 * The named sections, `${NAME}` replaced, defaults filled in. `mayBeMissing` names keys (`cloud.device_id`) that are
 * empty instead of an error when their variable is not set. Throws {@link ConfigError} with file, path and reason.
 */
export function parseSections<S extends Sections>(
  file: ConfigFile,
  sections: S,
  mayBeMissing: readonly string[] = [],
): z.infer<z.ZodObject<S>> {
  const raw: Record<string, unknown> = {}
  for (const name of Object.keys(sections)) {
    if (file.sections[name] !== undefined && file.sections[name] !== null) {
      raw[name] = replaceReferences(file.sections[name], name, file, mayBeMissing)
    }
  }
  const result = z.strictObject(sections).safeParse(raw)
  if (result.success) return result.data as z.infer<z.ZodObject<S>>
  const lines = result.error.issues.map(
    (issue) =>
      `${shown(file.path)}: ${issue.path.map(String).join('.') || basename(file.path)} ✖ ${explained(issue)}`,
  )
  throw new ConfigError(lines.join('\n'))
}

/** The parser's own messages show the line of the mistake, which may hold a secret: only their first line is told. */
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

/** `device_secret:abc`, without the blank, is a key of that name to YAML: it is told only up to the colon. */
function explained(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'unrecognized_keys') return issue.message
  const keys = issue.keys.map(
    (key) => `"${key.replace(/[:=].*/s, (rest) => (rest.length > 1 ? ':…' : rest))}"`,
  )
  return `Unrecognized key${keys.length > 1 ? 's' : ''}: ${keys.join(', ')}`
}

function replaceReferences(
  value: unknown,
  path: string,
  file: ConfigFile,
  mayBeMissing: readonly string[],
): unknown {
  if (typeof value === 'string') {
    try {
      return interpolate(value, file.env)
    } catch (err) {
      if (mayBeMissing.includes(path)) return ''
      throw new ConfigError(`${shown(file.path)}: ${path} ✖ ${(err as Error).message}`, { cause: err })
    }
  }
  const inner = (entry: unknown, key: string | number) =>
    replaceReferences(entry, `${path}.${key}`, file, mayBeMissing)
  if (Array.isArray(value)) return value.map(inner)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, inner(entry, key)]))
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    throw new ConfigError(`${shown(path)}: cannot be read (${(err as NodeJS.ErrnoException).code})`, {
      cause: err,
    })
  }
}

/** The path as a person would type it from here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}
