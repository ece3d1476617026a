/** Figures in the tables that benchmarks print. */

export interface Table {
  columns: readonly string[]
  rows: readonly (readonly string[])[]
}

/** Each table of a Markdown text, its cells as text. */
export function tablesIn(markdown: string): Table[] {
  const tables: { columns: string[]; rows: string[][] }[] = []
  let open = false
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('|')) {
      open = false
      continue
    }
    const cells = line
      .replace(/^\|\s*|\s*\|\s*$/g, '')
      .split('|')
      .map((cell) => cell.trim())
    if (!open) tables.push({ columns: cells, rows: [] })
    else if (!cells.every((cell) => /^:?-+:?$/.test(cell))) tables.at(-1)?.rows.push(cells)
    open = true
  }
  return tables
}

/** The first number of a text; NaN without one. */
export function numberIn(text: string | undefined): number {
  return Number(/-?\d+(?:\.\d+)?/.exec(text ?? '')?.[0] ?? Number.NaN)
}
