import { readdirSync, readFileSync } from 'node:fs'
import { getFFmpegInfo } from 'node-av'

/** The fields of an entry of `package-lock.json` that this page needs. */
interface Locked {
  version: string
  license?: string
  dev?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
}

/** The fields of a package.json that this page needs. */
interface Manifest {
  name: string
  license?: string
  author?: string | { name?: string }
  repository?: string | { url?: string }
  homepage?: string
}

const ROOT = new URL('../../', import.meta.url)
const LICENSE_FILE = /^(licen[cs]e|copying|notice)/i
/** Packages without a license field; the license was read from the file. */
const READ_BY_HAND: Record<string, string> = { '@shinyoshiaki/jspack': 'BSD-3-Clause' }

/** The text of `THIRD_PARTY_NOTICES.md`, from `package-lock.json` and the packages that are installed here. */
export function noticesPage(): string {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
  const shipped = Object.entries(packages).filter(([path, locked]) => path !== '' && isShipped(locked))
  const rows = shipped.map(([path, locked]) => row(path, locked))
  return `${[read('docs/generators/notices.txt').trim(), machineCode(), TABLE_HEAD + rows.join('\n'), mitText()].join('\n\n')}\n`
}

/** Whether a robot installs it: Linux with glibc, 64 bits, ARM or x86. */
function isShipped({ dev, os, cpu, libc }: Locked): boolean {
  const fits = (wanted: string[] | undefined, have: string[]) =>
    !wanted || wanted.some((one) => have.includes(one))
  return !dev && fits(os, ['linux']) && fits(cpu, ['x64', 'arm64']) && fits(libc, ['glibc'])
}

const TABLE_HEAD = `## Packages

The last column names the file with the license text, relative to the folder of the program: \`/app\` in the image, \`/opt/wimz\`
with systemd. "MIT, below" stands for a package without such a file.

| package | version | license | from | text |
|---|---|---|---|---|
`

function row(path: string, { version, license, cpu }: Locked): string {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  // only the package for this machine's architecture is installed
  if (cpu) {
    const licenses = name.startsWith('@seydx/node-av-')
      ? `${license}, its machine code GPL-3.0-or-later`
      : license
    return `| ${name} | ${version} | ${licenses} | [npm](https://www.npmjs.com/package/${name}) | MIT, below |`
  }
  const manifest = JSON.parse(read(`${path}/package.json`)) as Manifest
  const text = readdirSync(new URL(`${path}/`, ROOT)).filter((file) => LICENSE_FILE.test(file))
  const where =
    text.length > 0 ? text.map((file) => `\`${path}/${file}\``).join(', ') : `MIT, below${byline(manifest)}`
  const known = license ?? READ_BY_HAND[name]
  if (known === undefined || (text.length === 0 && known !== 'MIT')) {
    throw new Error(`${path}: unknown license: read it and add it to docs/generators/notices-page.ts`)
  }
  return `| ${name} | ${version} | ${known} | ${source(manifest, name)} | ${where} |`
}

function byline({ author }: Manifest): string {
  const name = typeof author === 'string' ? author : author?.name
  return name === undefined ? '' : `; ${name.replaceAll(/[<>|]/g, '')}`
}

function source({ repository, homepage }: Manifest, name: string): string {
  const given = (typeof repository === 'string' ? repository : repository?.url) ?? homepage
  const [, path] =
    /^(?:.*github\.com[/:]|github:)?([\w.-]+\/[\w.-]+?)(?:\.git)?(?:#.*)?$/.exec(given ?? '') ?? []
  return path ? `[${path}](https://github.com/${path})` : `[npm](https://www.npmjs.com/package/${name})`
}

/** The FFmpeg inside node-av as it describes itself: its configuration determines its license. */
function machineCode(): string {
  const { version, configuration, libraries } = getFFmpegInfo()
  const enabled = [...configuration.matchAll(/--enable-(\S+)/g)].map(([, name = '']) => name)
  if (!enabled.includes('gpl') || !enabled.includes('version3') || enabled.includes('nonfree')) {
    throw new Error(
      'the FFmpeg in node-av has changed: read its license and correct docs/generators/notices.txt',
    )
  }
  const parts = Object.entries(libraries).map(([name, number]) => `lib${name} ${number}`)
  return `FFmpeg ${version} (${parts.join(', ')}), as it describes itself on x64, was built with
\`--enable-${enabled.join('`, `--enable-')}\`.`
}

/** The license text of packages that say MIT and have no file. */
function mitText(): string {
  const text = read('node_modules/aedes/LICENSE')
  return `## MIT\n\n${text.slice(text.indexOf('Permission is hereby granted')).trim()}`
}

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}
