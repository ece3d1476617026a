import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PROJECT_ROOT } from '#lib/version.ts'
import type { Stage, Step } from './dockerfile.ts'

/** What a stage has come to. */
export interface Image {
  root: string
  workdir: string
  env: Record<string, string>
  user: string
  entrypoint: string[]
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** How this machine reaches the registry and Debian; passed in for the RUN steps only. */
const NETWORK = ['npm_config_registry', 'http_proxy', 'https_proxy', 'no_proxy', 'NODE_EXTRA_CA_CERTS']

/** A Debian root, once; further stages are copies. `DEBIAN_ROOT` names one that debootstrap has made already. */
export function debian(folder: string): string {
  if (process.env.DEBIAN_ROOT) return process.env.DEBIAN_ROOT
  const root = join(folder, 'debian')
  run('debootstrap', '--variant=minbase', 'trixie', root, 'http://deb.debian.org/debian')
  return root
}

/** Runs the stages that the last one needs, each in a root of its own, and returns the last. */
export function build(stages: readonly Stage[], folder: string): Image {
  const base = debian(folder)
  const built = new Map<string, Image>()
  for (const stage of neededBy(stages)) {
    const parent = built.get(stage.from)
    const root = join(folder, stage.name)
    run('cp', '-a', parent?.root ?? base, root)
    if (!parent) standIn(stage.from, root)
    const image = { workdir: '/', env: {}, user: '', entrypoint: [], ...parent, root }
    for (const step of stage.steps) take(step, image, built)
    built.set(stage.name, image)
  }
  const last = built.get(stages.at(-1)?.name ?? '')
  if (!last) throw new Error('a Dockerfile without stages')
  return last
}

/** The last stage, and those that it builds on or copies from, in the order of the file. */
function neededBy(stages: readonly Stage[]): Stage[] {
  const needed = new Set([stages.at(-1)?.name])
  for (const { name, from, steps } of stages.toReversed()) {
    if (!needed.has(name)) continue
    needed.add(from)
    for (const { rest } of steps) needed.add(/^--from=(\S+)/.exec(rest)?.[1])
  }
  return stages.filter(({ name }) => needed.has(name))
}

/** Makes a Debian root what the official image of that name is: with this Node and npm, or as it is. */
export function standIn(name: string, root: string): void {
  copyNetworkSettings(root)
  if (name === 'debian:trixie-slim') return
  if (!name.startsWith(`node:${process.versions.node.split('.')[0]}-`))
    throw new Error(`no stand-in for ${name}`)
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'))
  const npm = join(realpathSync(run('which', 'npm').trim()), '../..') // …/npm/bin/npm-cli.js
  mkdirSync(join(root, 'usr/local/lib/node_modules'), { recursive: true })
  run('cp', '-a', npm, join(root, 'usr/local/lib/node_modules/npm'))
  run('ln', '-s', '../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm'))
}

function copyNetworkSettings(root: string): void {
  const authorities = process.env.NODE_EXTRA_CA_CERTS
  for (const file of ['/etc/resolv.conf', '/etc/hosts', ...(authorities ? [authorities] : [])]) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    if (existsSync(file)) copyFileSync(file, join(root, file))
  }
  const apt = run('apt-config', 'dump').match(/^Acquire::(Check|https?::Proxy).*$/gm) ?? []
  writeFileSync(join(root, 'etc/apt/apt.conf.d/99here'), `${apt.join('\n')}\n`)
}

function take({ word, rest }: Step, image: Image, built: ReadonlyMap<string, Image>): void {
  switch (word) {
    case 'WORKDIR':
      image.workdir = rest
      mkdirSync(join(image.root, rest), { recursive: true })
      return
    case 'ARG':
    case 'ENV': {
      const [name = '', value = ''] = rest.split('=')
      image.env = { ...image.env, [name]: value }
      return
    }
    case 'USER':
      image.user = rest
      return
    case 'ENTRYPOINT':
      image.entrypoint = JSON.parse(rest)
      return
    case 'COPY':
      copy(rest.split(/\s+/), image, built)
      return
    case 'RUN':
      inside(image, rest)
      return
    case 'CMD':
    case 'VOLUME':
      return
    default:
      throw new Error(`the rehearsal does not know ${word}`)
  }
}

function copy(words: string[], { root, workdir }: Image, built: ReadonlyMap<string, Image>): void {
  const from = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined
  const source = from === undefined ? PROJECT_ROOT : (built.get(from)?.root ?? '')
  const target = words.pop() ?? ''
  const at = target.startsWith('/') ? join(root, target) : join(root, workdir, target)
  for (const word of words) {
    mkdirSync(target.endsWith('/') ? at : dirname(at), { recursive: true })
    run('cp', '-a', '--no-preserve=ownership', join(source, word), at)
  }
}

function inside({ root, workdir, env }: Image, command: string): void {
  const network = NETWORK.flatMap((name) => (process.env[name] ? [`${name}=${process.env[name]}`] : []))
  const variables = [
    `PATH=${PATH}`,
    ...network,
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
  ]
  const shell = ['sh', '-c', `cd ${workdir} && ${command}`]
  const namespaces = ['--mount', '--pid', '--fork', `--mount-proc=${join(root, 'proc')}`]
  run('unshare', ...namespaces, 'chroot', root, 'env', '-i', ...variables, ...shell)
}

/** Runs a program to its end; what it wrote is in the error when it fails. */
function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
  })
}
