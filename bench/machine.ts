import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { print } from '#dev/harness/print.ts'
import type { CoreScore } from './report/pi-estimate.ts'

/**
 * Scores of one core that are public for many machines: 7-Zip (Debian's 7zip or p7zip-full) and OpenSSL. They compare the machine of a
 * report with others. Takes a quarter of a minute; without 7-Zip it prints what is missing.
 */
const { values } = parseArgs({ options: { json: { type: 'string' } } })
const SEVEN_ZIPS = ['7z', '7za', '7zz', '7zr']
const AES_ARGS = ['speed', '-elapsed', '-seconds', '2', '-bytes', '1024', '-evp', 'aes-128-ctr']

/** Dictionaries of 22 and 23 bits: the larger ones take as long again and differ by some percent. */
const SEVEN_ZIP_ARGS = ['b', '-mmt1', '-md23']

/** The averages: rating in MIPS, for compressing and decompressing. */
function sevenZip(): CoreScore | undefined {
  for (const program of SEVEN_ZIPS) {
    const { stdout, status } = spawnSync(program, SEVEN_ZIP_ARGS, { encoding: 'utf8' })
    if (status !== 0) continue
    const [compressing = '', decompressing = ''] = /^Avr:(.*)$/m.exec(stdout)?.[1]?.split('|') ?? []
    // the rating for each percent of CPU that it was given, so that other work does not count
    const rating = (columns: string) => Number(columns.trim().split(/\s+/).at(-2))
    return { compressing: rating(compressing), decompressing: rating(decompressing) }
  }
  return undefined
}

/** kB/s */
function openssl(): number {
  const { stdout } = spawnSync('openssl', AES_ARGS, { encoding: 'utf8' })
  return Number(/^aes-128-ctr\s+([\d.]+)k/im.exec(stdout ?? '')?.[1] ?? Number.NaN)
}

const score = sevenZip()
const speed = openssl()
print('| one core | score |')
print('|---|---|')
if (score) {
  print(`| 7-Zip, compressing (\`7z b -mmt1 -md23\`) | ${score.compressing} MIPS |`)
  print(`| 7-Zip, decompressing | ${score.decompressing} MIPS |`)
} else print('| 7-Zip | not installed: apt-get install 7zip |')
print(
  `| OpenSSL, AES-128-CTR in blocks of 1 KiB | ${Number.isNaN(speed) ? 'not installed' : `${Math.round(speed / 1000)} MB/s`} |`,
)
if (values.json) writeFileSync(values.json, JSON.stringify(score ? [score] : []))
