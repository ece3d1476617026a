import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endProcess } from '#dev/harness/end-process.ts'
import type { Stack } from '#dev/harness/stack.ts'
import { withParent } from '#dev/harness/with-parent.ts'
import { without } from '#test/helpers/tools.ts'
import type { RelayTap } from './relay-tap.ts'
import type { RobotClock } from './robot-clock.ts'

export interface Scene {
  stack: Stack
  tap: RelayTap
  /** A small file system that holds `data_dir`; undefined without the right to mount. */
  disk: string | undefined
  /** Undefined without libfaketime. */
  clock: RobotClock | undefined
}

/** Something that goes wrong; resolves when its cause is over, not when the robot has recovered. */
export interface Fault {
  name: string
  happen(scene: Scene, random: () => number): Promise<void> | void
}

const SERVICES = ['broker', 'local-relay', 'relay-bridge', 'webrtc', 'vision']
/** A robot without a battery-backed clock starts in the past; NTP corrects small errors in either direction. */
const CLOCK_STEPS = [
  { name: '15 hours behind', seconds: -54_000 },
  { name: '2 s ahead', seconds: 2 },
  { name: '40 s ahead', seconds: 40 },
]
const CLOCK_EFFECT_MS = 1_100
const FREEZE_MS = { least: 2_000, most: 8_000 }

/** Those that can happen on this machine. */
export function faultsOf({ disk, clock }: Scene): Fault[] {
  return [
    ...SERVICES.map(
      (service): Fault => ({
        name: `${service} is killed`,
        happen({ stack }) {
          process.kill(pidOf(stack, service), 'SIGKILL')
        },
      }),
    ),
    ...SERVICES.map(
      (service): Fault => ({
        name: `${service} is stopped for some seconds`,
        async happen({ stack }, random) {
          const pid = pidOf(stack, service)
          process.kill(pid, 'SIGSTOP')
          try {
            await sleep(between(FREEZE_MS, random))
          } finally {
            signal(pid, 'SIGCONT') // the supervisor may have ended it
          }
        },
      }),
    ),
    {
      name: 'the relay connection is reset',
      happen({ tap }) {
        tap.reset()
      },
    },
    {
      name: 'the relay connection carries nothing for some seconds',
      async happen({ tap }, random) {
        tap.freeze()
        await sleep(between({ least: 3_000, most: 15_000 }, random))
        tap.thaw()
      },
    },
    {
      name: 'the camera program is killed',
      happen({ stack }) {
        for (const pid of childrenOf(pidOf(stack, 'vision'))) signal(pid, 'SIGKILL')
      },
    },
    {
      name: 'the camera program is stopped for some seconds',
      async happen({ stack }, random) {
        const pids = childrenOf(pidOf(stack, 'vision'))
        for (const pid of pids) signal(pid, 'SIGSTOP')
        await sleep(between(FREEZE_MS, random))
        for (const pid of pids) signal(pid, 'SIGCONT')
      },
    },
    ...(without('mosquitto_sub')
      ? []
      : [
          {
            name: 'a subscriber of everything stops reading',
            async happen({ stack }: Scene) {
              const reader = await stalledSubscriber(stack)
              await sleep(8_000)
              await endProcess(reader)
            },
          },
        ]),
    ...(clock === undefined
      ? []
      : CLOCK_STEPS.map(
          ({ name, seconds }): Fault => ({
            name: `the clock is ${name} for some seconds`,
            async happen(_, random) {
              clock.set(seconds)
              await sleep(between({ least: 5_000, most: 10_000 }, random))
              clock.set(0)
              await sleep(CLOCK_EFFECT_MS)
            },
          }),
        )),
    ...(disk === undefined
      ? []
      : [
          {
            name: 'the disk is full for some seconds',
            async happen(_: Scene, random: () => number) {
              const file = join(disk, 'filling')
              const { bavail, bsize } = statfsSync(disk)
              try {
                writeFileSync(file, Buffer.alloc(bavail * bsize))
              } catch {
                // full before its last byte
              }
              await sleep(between({ least: 3_000, most: 10_000 }, random))
              rmSync(file, { force: true })
            },
          },
        ]),
  ]
}

/** A file system in memory for `data_dir`, so small that it can be filled; undefined without the right to mount. */
export function mountSmallDisk(folder: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'wimz-chaos', folder], { stdio: 'pipe' })
    return folder
  } catch {
    return undefined
  }
}

export function unmount(folder: string): void {
  execFileSync('umount', ['--lazy', folder])
}

/** A client that has subscribed to everything and then reads nothing more; end it with SIGKILL. */
export async function stalledSubscriber({ brokerPort }: Stack): Promise<ChildProcess> {
  const args = ['-p', String(brokerPort), '-t', 'wimz/#', '-N']
  const reader = spawn(...withParent('mosquitto_sub', args), { stdio: ['ignore', 'pipe', 'ignore'] })
  reader.stdout.resume()
  await Promise.race([once(reader.stdout, 'data'), sleep(5_000)])
  reader.kill('SIGSTOP')
  return reader
}

function pidOf({ pids }: Stack, service: string): number {
  const pid = pids.get(service)
  if (pid === undefined) throw new Error(`${service} does not run`)
  return pid
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // it has ended
  }
}

function between({ least, most }: { least: number; most: number }, random: () => number): number {
  return least + (most - least) * random()
}
