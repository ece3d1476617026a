import { posix } from 'node:path'
import { importsOf, type Source } from './sources.ts'

/**
 * What each area may import, beside itself. `checks` stands for the `checks.ts` of services and broker: the functions that
 * the doctor and the benchmarks use; `harness` for dev/harness, which starts the stack for tests and benchmarks. Generators of docs
 * read the tables of tests.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  bus: [],
  lib: ['bus'],
  commands: ['bus', 'lib'],
  broker: ['commands', 'bus', 'lib'],
  services: ['commands', 'bus', 'lib'],
  dev: ['commands', 'bus', 'lib'],
  demo: ['commands', 'bus', 'lib', 'harness'],
  examples: ['bus', 'lib'],
  doctor: ['root', 'commands', 'bus', 'lib', 'checks'],
  bench: ['root', 'commands', 'bus', 'lib', 'checks', 'harness'],
  docs: ['root', 'bus', 'lib', 'test'],
}

/** First folder of a path; the files beside package.json are `root`. */
function areaOf(path: string): string {
  const [first, ...rest] = path.split('/')
  return rest.length === 0 || first === undefined ? 'root' : first
}

/** A service or a development tool: its own folder, so that services do not import each other. */
function moduleOf(path: string): string {
  return /^(services|dev)\/[^/]+\//.exec(path)?.[0] ?? areaOf(path)
}

/** Imports that cross an area's border without leave, as `file -> file`. */
export function forbiddenImports(sources: readonly Source[]): string[] {
  const known = new Set(sources.map(({ path }) => path))
  return sources.flatMap((source) => {
    const allowed = ALLOWED[areaOf(source.path)]
    if (!allowed) return []
    const isForbidden = (target: string) =>
      moduleOf(target) !== moduleOf(source.path) &&
      !allowed.includes(areaOf(target)) &&
      !(allowed.includes('checks') && /^(services\/[^/]+|broker)\/checks\.ts$/.test(target)) &&
      !(allowed.includes('harness') && target.startsWith('dev/harness/'))
    return importsOf(source)
      .filter((target) => known.has(target) && isForbidden(target))
      .map((target) => `${source.path} -> ${target}`)
  })
}

/**
 * Pairs of sibling rooms (folders of one area) that import each other, directly or by way of other rooms, as
 * `folder <-> folder`. The files of the area's own folder are its wiring and its config; they are no room.
 */
export function roomCircles(sources: readonly Source[]): string[] {
  const edges = new Map<string, Set<string>>()
  for (const source of sources) {
    const from = roomOf(source.path)
    for (const to of importsOf(source).map(roomOf)) {
      if (!from || !to || from === to || parent(from) !== parent(to)) continue
      edges.set(from, (edges.get(from) ?? new Set()).add(to))
    }
  }
  const rooms = [...edges.keys()].sort()
  return rooms.flatMap((a) =>
    rooms.filter((b) => a < b && reaches(edges, a, b) && reaches(edges, b, a)).map((b) => `${a} <-> ${b}`),
  )
}

const parent = (room: string) => posix.dirname(room)

/** The room of a file in broker, bus, commands, or a service. */
function roomOf(path: string): string | undefined {
  return /^(?:(?:broker|bus|commands|lib|doctor)|services\/[^/]+|dev\/[^/]+)\/[^/]+(?=\/)/.exec(path)?.[0]
}

function reaches(edges: ReadonlyMap<string, ReadonlySet<string>>, from: string, to: string): boolean {
  const seen = new Set<string>()
  const open = [from]
  for (let room = open.pop(); room !== undefined; room = open.pop()) {
    for (const next of edges.get(room) ?? []) {
      if (next === to) return true
      if (!seen.has(next)) open.push(next)
      seen.add(next)
    }
  }
  return false
}
