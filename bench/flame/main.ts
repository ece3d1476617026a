import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { flameGraph } from './flame-graph.ts'
import { flameTree } from './flame-tree.ts'

/**
 * Draws a CPU profile as a static flame graph without paths of the machine:
 * `npm run bench:flame -- cost-16.cpuprofile graph.svg --title "webrtc, 16 viewers" --full 70`. `--full` sets the percent of the time that
 * the whole width stands for.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { title: { type: 'string', default: 'CPU time' }, full: { type: 'string' } },
})
const [profile, graph] = positionals
if (!profile || !graph) throw new Error('usage: npm run bench:flame -- <profile.cpuprofile> <graph.svg>')
const tree = flameTree(JSON.parse(readFileSync(profile, 'utf8')))
const full = values.full === undefined ? {} : { full: Number(values.full) }
writeFileSync(graph, flameGraph(tree, { title: values.title, ...full }))
