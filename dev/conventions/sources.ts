import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, posix } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'

/** One file of the repository: its path from the root, with `/`, and its text. */
export interface Source {
  path: string
  text: string
}

/** Files without a text of ours: licenses of others, generated lists, binary files. */
const FOREIGN =
  /LICENSE|THIRD_PARTY_NOTICES|docs\/generators\/notices\.txt|package-lock\.json|models\/.*\.mjs|\.(mp4|png|jpe?g|onnx|ttf)$/

/** Every file that git tracks or would track, apart from texts of others. */
export function readSources(): Source[] {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: PROJECT_ROOT,
    encoding: 'utf8',
  })
  return list
    .split('\0')
    .filter((path) => path !== '' && !FOREIGN.test(path))
    .flatMap((path) => {
      try {
        return [{ path, text: readFileSync(`${PROJECT_ROOT}/${path}`, 'utf8') }]
      } catch {
        return [] // deleted, not yet committed
      }
    })
}

const STATIC_OR_DYNAMIC_IMPORT =
  /^(?:import|export)\b(?:[^'"]*?\bfrom)?\s*['"]([#.][^'"]+)['"]|\bimport\(\s*['"]([#.][^'"]+)['"]/gm

/** The file's own modules that it imports, as paths from the root; type imports and `import()` included. */
export function importsOf({ path, text }: Source): string[] {
  if (!/\.[jt]s$/.test(path)) return []
  const found = text.matchAll(STATIC_OR_DYNAMIC_IMPORT)
  return [...found].map(([, fixed, dynamic]) => {
    const target = fixed ?? dynamic ?? ''
    return target.startsWith('#') ? target.slice(1) : posix.join(dirname(path), target)
  })
}
