import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { standIn } from '#test/image/rehearsal.ts'

/**
 * `npm run test:home-assistant`: installs Home Assistant from PyPI for the nightly tests of this folder, once for each
 * Python from 3.12 that is found, each in a virtual environment below the cache folder. 2024.12 is the oldest that
 * discovers whole devices. `--debian` adds the newest, with the Python of Debian's `sid` in a root of its own (as root).
 * What is there stays; to renew it, delete the folder.
 */

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'wimz', 'home-assistant')
/** File that marks a complete environment. */
const READY = 'wimz-ready'
const OLDEST = '2024.12.5'
/** Root with the newest Debian. */
const DEBIAN = 'debian'
/** The authorities that this machine trusts. */
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'
const HASS = ['-m', 'homeassistant']
/** Integrations whose requirements are installed: without internet Home Assistant cannot do it itself. */
const INTEGRATIONS = [
  'mqtt',
  'hassio', // imported by the config flow of mqtt

  'frontend',
  'config',
  'automation',
  'camera',
  'history',
  'logbook',
  'stream',
  'generic',
  'image',
  'file',
]

export interface Installation {
  version: string
  /** Program and first arguments. */
  command: [string, ...string[]]
  /** Folder that it sees as `/`. */
  root: string
}

/** What is installed, oldest version first. */
export function installations(): Installation[] {
  const found = [...globSync(join(CACHE, '*', READY)), ...globSync(join(CACHE, DEBIAN, 'opt/*', READY))]
  return found
    .map((marker): Installation => {
      const version = readFileSync(marker, 'utf8').trim()
      const python = join(dirname(marker), 'bin/python')
      const root = join(CACHE, DEBIAN)
      if (!python.startsWith(`${root}/`)) return { version, command: [python, ...HASS], root: '/' }
      return { version, command: ['chroot', root, python.slice(root.length), ...HASS], root }
    })
    .toSorted((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true }))
}

/** Why the tests cannot run, or false. */
export function withoutHomeAssistant(): string | false {
  return installations().length === 0 && 'needs Home Assistant: npm run test:home-assistant'
}

/** Requirements of these integrations and of those that they depend on, one a line. */
const REQUIREMENTS = `
import json, pathlib, sys, homeassistant
root = pathlib.Path(homeassistant.__file__).parent / "components"
todo, seen, found = sys.argv[1:], set(), set()
while todo:
    name = todo.pop()
    if name in seen: continue
    seen.add(name)
    file = root / name / "manifest.json"
    if not file.exists(): continue
    manifest = json.loads(file.read_text())
    todo += manifest.get("dependencies", [])
    found |= set(manifest.get("requirements", []))
print("\\n".join(sorted(found)))
`

function run(program: string, args: string[]): string {
  const { status, stdout, error } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 26,
    env: { ...process.env, UV_SYSTEM_CERTS: 'true', UV_NATIVE_TLS: 'true', SSL_CERT_FILE: AUTHORITIES },
  })
  if (status !== 0) throw new Error(`${program} ${args.join(' ').slice(0, 200)}: ${error?.message ?? status}`)
  return stdout
}

/** Interpreters from 3.12, each minor version once. */
function interpreters(): string[] {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...globSync(join(homedir(), '.pyenv/versions/*/bin')),
  ]
  const found = new Map<string, string>()
  for (const path of folders.flatMap((folder) => globSync(join(folder, 'python3.*')))) {
    const [, minor = ''] = /\/python3\.(\d+)$/.exec(path) ?? []
    if (Number(minor) < 12 || found.has(minor)) continue
    // a shim of pyenv may name a version that is not chosen
    if (spawnSync(path, ['-c', 'import venv']).status === 0) found.set(minor, path)
  }
  return [...found].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, path]) => path)
}

/** Installs into a new environment; `root`: the root of another system that holds it, which `chroot` enters. */
function install(python: string, folder: string, requested: string, root = '/'): void {
  const inside = (program: string, ...args: string[]) =>
    root === '/' ? run(program, args) : run('chroot', [root, program, ...args])
  // complete: another run has done it
  if (existsSync(join(root, folder, READY))) return
  rmSync(join(root, folder), { recursive: true, force: true })
  inside(python, '-m', 'venv', folder)
  const own = join(folder, 'bin/python')
  inside(own, '-m', 'pip', 'install', '--quiet', 'uv')
  const add = (...names: string[]) =>
    inside(join(folder, 'bin/uv'), 'pip', 'install', '--quiet', '--python', own, ...names)
  add(requested)
  add(
    ...inside(own, '-c', REQUIREMENTS, ...INTEGRATIONS)
      .trim()
      .split('\n'),
  )
  const version = inside(own, '-c', 'import homeassistant.const as c; print(c.__version__)')
  writeFileSync(join(root, folder, READY), version)
  process.stdout.write(`Home Assistant ${version.trim()}: ${folder}\n`)
}

/** Debian's unstable release has the newest Python. */
function installInDebian(): void {
  const root = join(CACHE, DEBIAN)
  if (!existsSync(join(root, 'usr/bin/python3'))) {
    const packages = '--include=python3,python3-venv,python3-dev,gcc,g++,ca-certificates,tzdata'
    run('debootstrap', ['--variant=minbase', packages, 'sid', root, 'http://deb.debian.org/debian'])
    standIn('debian:trixie-slim', root)
    copyFileSync(AUTHORITIES, join(root, AUTHORITIES))
  }
  install('/usr/bin/python3', '/opt/newest', 'homeassistant', root)
}

function main(): void {
  mkdirSync(CACHE, { recursive: true })
  const [oldest, ...others] = interpreters()
  if (!oldest) throw new Error('no Python from 3.12 here: install one, or use --debian')
  install(oldest, join(CACHE, 'oldest'), `homeassistant==${OLDEST}`)
  const newest = others.at(-1)
  if (newest) install(newest, join(CACHE, 'newest'), 'homeassistant')
  if (process.argv.includes('--debian')) installInDebian()
}

if (import.meta.main) main()
