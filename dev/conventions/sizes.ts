import { posix } from 'node:path'
import type { Source } from './sources.ts'

const MAX_LINES = 400
const MAX_FILES = 20

/** Prose, styles, pages and dashboards are as long as they need to be. */
const UNLIMITED = /\.(md|css|json|html|svg)$|^\.npmrc$/

/** Files that are too long, as `file: lines`. */
export function longFiles(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => !UNLIMITED.test(path))
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path}: ${lines} lines, ${MAX_LINES} at most`)
}

/** Folders that hold too many files, subfolders not counted, as `folder: files`. */
export function fullFolders(sources: readonly Source[]): string[] {
  const files = Map.groupBy(sources, ({ path }) => posix.dirname(path))
  return [...files]
    .filter(([folder, list]) => list.length > MAX_FILES && folder !== '.')
    .map(([folder, list]) => `${folder}: ${list.length} files, ${MAX_FILES} at most`)
}
