/** Writes a line of a report to stdout. */
export function print(line = ''): void {
  process.stdout.write(`${line}\n`)
}
