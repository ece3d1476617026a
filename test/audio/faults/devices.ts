/** Sources and speakers that can be missing, busy, die, stall, and come back. */
import { chmodSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { chirps, toWav } from '../signals.ts'
import { SoundCamera } from './sound-camera.ts'

export const FAULTS = ['missing', 'busy', 'dies', 'stalls'] as const
export type Fault = (typeof FAULTS)[number]

/** One device with a name of its own. */
export interface Device {
  /** `audio.source` or `audio.speaker`. */
  section: object
  /** The faults that it can have. */
  faults: readonly Fault[]
  /** Brings the fault about. `dies` ends it once: what is started again works. */
  break(fault: Fault): Promise<void> | void
  /** Ends the fault. */
  repair(): Promise<void> | void
}

/** What the programs of alsa-utils and pulseaudio-utils say. */
const WORDS = {
  arecord: { missing: 'audio open error: No such file or directory', busy: 'Device or resource busy' },
  aplay: { missing: 'audio open error: No such file or directory', busy: 'Device or resource busy' },
  parec: { missing: 'Stream error: No such entity', busy: 'Connection failure: Connection refused' },
  pacat: { missing: 'Stream error: No such entity', busy: 'Connection failure: Connection refused' },
  exec: { missing: 'no such device', busy: 'device is busy' },
}

/** Puts programs that stand for the real ones in front of PATH; their devices are conditions in files. */
export function installPrograms(t: TestContext): string {
  const folder = temporaryFolder(t)
  const second = join(folder, 'second.raw')
  writeFileSync(second, Buffer.from(chirps(1).buffer))
  for (const [program, { missing, busy }] of Object.entries(WORDS)) {
    const isPlayer = program === 'aplay' || program === 'pacat'
    const work = isPlayer
      ? 'cat > /dev/null'
      : // a second of sound each second
        `while :; do head -c 9600 ${second}; sleep 0.1; done`
    const script = [
      '#!/bin/sh',
      // the device is an argument of its own, or follows an equals sign
      'for argument; do case "$argument" in *condition-*) file="$argument";; esac; done',
      `case "$(cat "${folder}/condition-\${file##*condition-}")" in`,
      `missing) echo "${program}: ${missing}" >&2; exit 1;;`,
      `busy) echo "${program}: ${busy}" >&2; exit 1;;`,
      'esac',
      ...(program === 'exec' ? ['if [ "$1" = play ]; then cat > /dev/null; exit; fi'] : []),
      work,
      '',
    ].join('\n')
    writeFileSync(join(folder, program), script)
    chmodSync(join(folder, program), 0o755)
  }
  const before = process.env.PATH ?? ''
  process.env.PATH = `${folder}${delimiter}${before}`
  t.after(() => {
    process.env.PATH = before
  })
  return folder
}

/** A device of one of the programs. */
export function programDevice(folder: string, name: string, section: (device: string) => object): Device {
  const device = `condition-${name}`
  const set = (condition: string) => writeFileSync(join(folder, device), condition)
  set('works')
  return {
    section: section(device),
    faults: FAULTS,
    break(fault) {
      if (fault === 'dies') signal(device, 'SIGKILL')
      else if (fault === 'stalls') signal(device, 'SIGSTOP')
      else {
        set(fault)
        signal(device, 'SIGKILL')
      }
    },
    repair: () => set('works'),
  }
}

/** The process group of each program that has this device. */
function signal(device: string, name: NodeJS.Signals): void {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (Number(pid) === process.pid || !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(device))
        continue
      process.kill(-Number(pid), name)
    } catch {
      // it has ended, or leads no group
    }
  }
}

/** `audio.source.url` with a file. */
export function fileSource(folder: string, name: string): Device {
  const path = resolve(folder, `${name}.wav`)
  writeFileSync(path, toWav(chirps(1)))
  return {
    section: { type: 'url', url: path },
    faults: ['missing'],
    break: () => renameSync(path, `${path}.away`),
    repair: () => renameSync(`${path}.away`, path),
  }
}

/** `audio.source.url` with a camera. */
export async function cameraSource(t: TestContext): Promise<Device> {
  const camera = await SoundCamera.start()
  t.after(() => camera[Symbol.dispose]())
  let off = false
  return {
    section: { type: 'url', url: camera.url },
    faults: FAULTS,
    async break(fault) {
      camera.stalled = fault === 'stalls'
      camera.busy = fault === 'busy'
      off = fault === 'missing'
      if (fault === 'stalls') return
      camera.switchOff()
      if (!off) await camera.listen()
    },
    async repair() {
      camera.busy = camera.stalled = false
      if (off) await camera.listen()
      off = false
    },
  }
}
