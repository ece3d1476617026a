import { realpath, stat } from 'node:fs/promises'
import { resolve, sep } from 'node:path'

/**
 * True for an existing file inside one of the folders, also after symbolic links. A path outside of them is not accessed
 * at all, so that the answer, and how long it takes, does not show which other files exist.
 */
export async function isFileWithin(path: string, folders: readonly string[]): Promise<boolean> {
  if (path.includes('\0')) return false
  const wanted = resolve(path)
  if (!folders.some((folder) => wanted.startsWith(resolve(folder) + sep))) return false
  try {
    const real = await realpath(wanted)
    const realFolders = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)))
    const inside = realFolders.some((folder) => folder !== undefined && real.startsWith(folder + sep))
    return inside && (await stat(real)).isFile()
  } catch {
    return false
  }
}
