import assert from 'node:assert/strict'

/**
 * Every block of commands in the documents has a line above it that says who has tried it: `<!-- tested: test/x.test.ts -->`,
 * several with commas, or `<!-- needs: Docker -->` for what no test can have.
 */
export const MARKER = /^<!-- (tested|needs): (.+) -->$/

/** A block of commands in a document. */
interface Block {
  /** The line above it. */
  marker: string
  lines: string[]
}

const SHELLS = ['sh', 'bash', 'shell', 'console']
const FENCE = /^(.*)\n```(\w*)\n([\s\S]*?)^```$/gm
/** Below an empty line or a marker; what belongs to a list or a paragraph is none. */
const INDENTED = /^((?:<!-- .* -->)?)\n((?: {4}.*\n)+)/gm

/** Fenced blocks of a shell, and indented ones. */
export function blocksOf(text: string): Block[] {
  const fenced = [...text.matchAll(FENCE)].map(([, marker = '', kind = '', script = '']) => ({
    marker,
    kind,
    script,
  }))
  for (const { kind, script } of fenced.filter((one) => !SHELLS.includes(one.kind))) {
    assert.doesNotMatch(
      script,
      /^(sudo|npm|npx|docker|git|mosquitto_\w+) /m,
      `a block of "${kind}" with commands: say sh`,
    )
  }
  const outside = text.replaceAll(FENCE, '\n')
  const indented = [...outside.matchAll(INDENTED)].map(([, marker = '', script = '']) => ({ marker, script }))
  return [...fenced.filter(({ kind }) => SHELLS.includes(kind)), ...indented].map(({ marker, script }) => ({
    marker,
    lines: script.split('\n').map((line) => line.trim()),
  }))
}

/** One command each, without what is only said to the shell. */
export function commandsOf(lines: string[]): string[] {
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .flatMap((line) => line.split(/ && | \|\|? | \| /))
    .map((command) => command.trim().replace(/^(?:(?:[A-Z_]+=\S*|sudo) +)+/, ''))
}
