import type { Result } from './result.ts'

/** A section of the report: heading, command, commit, load, and what was printed. */
export function section({ title, exitCode, output, skipped, ...facts }: Result, level = 3): string {
  const heading = `${'#'.repeat(level)} ${title}`
  if (skipped !== undefined) return `${heading}\n\nSkipped: ${skipped}.\n`
  const failed = exitCode === 0 ? '' : `Ended with ${exitCode}. `
  // a table needs a heading; what is none stays as it was printed
  const shown = output.includes('|---') ? output : `\`\`\`text\n${output}\n\`\`\``
  return `${heading}\n\n${failed}${describe(facts)}\n\n${shown}\n`
}

/** Command, commit, date, load and machine in one line, with a mark for foreign load. */
export function describe({
  command,
  commit,
  at,
  load,
  isForeign,
  machine,
}: Pick<Result, 'command' | 'commit' | 'at' | 'load' | 'isForeign' | 'machine'>): string {
  const mark = isForeign
    ? `**Under foreign load** (${load.foreignPercent.toFixed(0)} % of a core before it). `
    : ''
  const loads = `load ${load.before.toFixed(1)} → ${load.after.toFixed(1)}`
  return `${mark}\`${command}\` at ${commit}, ${at.slice(0, 10)}; ${loads}. ${machine}.`
}
