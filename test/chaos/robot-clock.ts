import { type SpawnOptions, spawn } from 'node:child_process'
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The wall clock of one stack: libfaketime adds an offset to what its processes read. Their monotonic clock is the real one. */
export interface RobotClock extends Disposable {
  /** Sets the clock this many seconds off; takes effect within a second. */
  set(offsetSeconds: number): void
  /** Starts a process, and what it starts, with this clock. */
  start(program: string, args: string[], options: SpawnOptions): ReturnType<typeof spawn>
}

/** Undefined without libfaketime (Debian: libfaketime). */
export function openRobotClock(): RobotClock | undefined {
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
  if (!library) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'wimz-clock-'))
  const file = join(folder, 'offset')
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}\n`)
  set(0)
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_RESET: '1',
  }
  return {
    set,
    start: (program, args, options) => spawn(program, args, { ...options, env: { ...options.env, ...env } }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  }
}
