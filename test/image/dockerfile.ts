/** One line of a Dockerfile, continuation lines joined. */
export interface Step {
  word: string
  rest: string
}

/** What stands between one FROM and the next. */
export interface Stage {
  name: string
  from: string
  steps: Step[]
}

/** Stages in the order of the file, ARGs before the first FROM replaced by their defaults or `args`. */
export function parseDockerfile(text: string, args: Record<string, string> = {}): Stage[] {
  const stages: Stage[] = []
  const values: Record<string, string> = {}
  for (const { word, rest } of steps(text)) {
    const stage = stages.at(-1)
    if (word === 'FROM') {
      const [from = '', , name = `${stages.length}`] = substitute(rest, values).split(/\s+/)
      stages.push({ name, from, steps: [] })
    } else if (stage) stage.steps.push({ word, rest })
    else if (word === 'ARG') {
      const [name = '', value = ''] = rest.split('=')
      values[name] = args[name] ?? value
    } else throw new Error(`${word} before the first FROM`)
  }
  return stages
}

function steps(text: string): Step[] {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  const joined = lines.join('\n').replace(/\\\n/g, ' ')
  return joined.split('\n').map((line) => {
    const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
    return { word, rest }
  })
}

function substitute(text: string, values: Record<string, string>): string {
  return text.replace(/\$\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}
