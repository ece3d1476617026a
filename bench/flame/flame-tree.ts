import type { CpuProfile } from './cpu-profile.ts'

/** A function in one place of the call stack, with all calls from there added up. */
export interface FlameNode {
  name: string
  /** Without what is before the project or the package; empty for what V8 itself does. */
  file: string
  /** From 1; 0 where there is no source. */
  line: number
  /** µs, with and without what it calls. */
  total: number
  self: number
  children: FlameNode[]
}

/** What is not work of the thread. */
const WAITING = new Set(['(idle)', '(root)'])
const OWN_FOLDER = /\/((?:services|broker|bus|commands|lib|dev)\/[^:]+)$/
const PACKAGES = '/node_modules/'

/** The tree of calls; its root holds all time that the thread worked. `wall`: µs from the first to the last sample. */
export function flameTree({ nodes, samples, timeDeltas }: CpuProfile): { root: FlameNode; wall: number } {
  const selfTimes = new Map<number, number>()
  for (const [i, id] of samples.entries()) selfTimes.set(id, (selfTimes.get(id) ?? 0) + (timeDeltas[i] ?? 0))
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const add = (parent: FlameNode, id: number) => {
    const node = byId.get(id)
    if (!node) return
    const isWaiting = WAITING.has(node.callFrame.functionName)
    const into = isWaiting ? parent : childOf(parent, node.callFrame)
    if (!isWaiting) into.self += selfTimes.get(id) ?? 0
    for (const child of node.children ?? []) add(into, child)
  }
  const root: FlameNode = { name: 'all', file: '', line: 0, total: 0, self: 0, children: [] }
  const called = new Set(nodes.flatMap(({ children = [] }) => children))
  for (const { id } of nodes) if (!called.has(id)) add(root, id)
  sumUp(root)
  return { root, wall: timeDeltas.reduce((sum, delta) => sum + delta, 0) }
}

function childOf(
  parent: FlameNode,
  { functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame'],
): FlameNode {
  const [name, file] = [functionName || '(anonymous)', shortFile(url)]
  // an anonymous function has no other name than its place
  const line = functionName ? 0 : lineNumber + 1
  const found = parent.children.find(
    (child) => child.name === name && child.file === file && child.line === line,
  )
  if (found) return found
  const child = { name, file, line, total: 0, self: 0, children: [] }
  parent.children.push(child)
  return child
}

/** A file of the project from its root, a file of a package from the package's name, the name alone of any other. */
export function shortFile(url: string): string {
  if (url === '' || url.startsWith('node:')) return url
  const inPackage = url.lastIndexOf(PACKAGES)
  if (inPackage >= 0) return url.slice(inPackage + PACKAGES.length)
  return OWN_FOLDER.exec(url)?.[1] ?? url.slice(url.lastIndexOf('/') + 1)
}

function sumUp(node: FlameNode): number {
  node.total = node.self
  for (const child of node.children) node.total += sumUp(child)
  node.children.sort((a, b) => b.total - a.total)
  return node.total
}
