import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { until } from '#dev/harness/until.ts'
import { PROJECT_ROOT } from '#lib/version.ts'
import { closeAfter } from '#test/helpers/close-after.ts'

const execute = promisify(execFile)
const WIMZ = join(PROJECT_ROOT, 'deploy/wimz')

/**
 * Docker and systemctl as far as `wimz` uses them, with their state in files of $FAKE: `tags/<name>` holds an image id, and
 * `running` the one that runs. The power fails at step $CUT: before a command, in it, or after it. In the command $HOLD it waits
 * until the file `released` is there.
 */
const STEP = `
step() {
  n=$(($(cat "$FAKE/steps") + 1)); echo $n >"$FAKE/steps"
  [ $n != "$CUT" ] || kill -s KILL -- -"$(ps -o pgid= $$ | tr -d ' ')"
}
step; trap step EXIT`
const PROGRAMS: Record<string, string> = {
  docker: `${STEP}
hold() { while [ "$HOLD" = "$1" ]; do : >"$FAKE/held"; sleep 0.1; [ ! -e "$FAKE/released" ] || break; done; }
tag() { cat "$FAKE/tags/$1" 2>/dev/null; }
case "$*" in
  'compose version') trap - EXIT ;;
  'compose ps -aq broker') echo container ;;
  'inspect --format {{.Image}} container') cat "$FAKE/container" ;;
  'image inspect --format {{.Id}} '*) tag "$5" ;;
  'image inspect --format {{len .RepoTags}} '*) grep -lx "$5" "$FAKE"/tags/* | wc -l ;;
  'image rm '*) echo "$3" >>"$FAKE/removed" ;;
  'tag '*) echo "$2" >"$FAKE/tags/$3" ;;
  'build -qt '*) hold build; cp "$4/id" "$FAKE/tags/$3" ;;
  'compose stop') echo stopped >"$FAKE/running"; hold stop ;;
  'compose up -d --no-build')
    [ "$(cat "$FAKE/running")" = "$(tag wimz-robot:latest)" ] || { echo partly >"$FAKE/running"; step; }
    tag wimz-robot:latest | tee "$FAKE/container" >"$FAKE/running" ;;
  'compose run --rm -T doctor doctor --json')
    status=ok
    [ "$(cat "$FAKE/running")" = old ] || hold trial
    [ "$(cat "$FAKE/running")" != broken ] || status=failure
    for check in config bus 'service vision'; do
      printf '"check": "%s",\\n"status": "%s",\\n' "$check" $status
    done ;;
  'compose config --volumes') echo data ;;
  'compose run --rm -T --no-deps --entrypoint tar'*-cC*) tar -cC "$FAKE" data ;;
  'compose run --rm -T --no-deps --entrypoint sh broker'*) cat >/dev/null ;;
  *) echo "docker: unexpected: $*" >&2; exit 1 ;;
esac`,
  systemctl: `${STEP}
case $1 in
  enable) : >"$FAKE/enabled-$3" ;;
  disable) rm -f "$FAKE/enabled-$3" ;;
esac`,
  id: 'echo 0',
  sync: 'exit 0',
}

interface Ended {
  code: number | null
  output: string
}

interface Run {
  ended: Promise<Ended>
  /** Of the shell, which leads a process group of its own. */
  pid: number
}

/** A robot with Docker, on which the real `deploy/wimz` runs with stand-ins for Docker and systemd. */
export class FakeRobot {
  readonly root: string
  readonly #folder: string
  readonly #fake: string

  constructor(t: TestContext) {
    this.root = mkdtempSync(join(tmpdir(), 'wimz-fake-'))
    closeAfter(t, () => rmSync(this.root, { recursive: true, force: true }))
    this.#folder = join(this.root, 'home of 100 % robots')
    this.#fake = join(this.root, 'fake')
    const made = [
      'bin',
      'etc/systemd/system',
      'run/systemd/system',
      'fake/tags',
      'fake/data',
      'new',
      'broken',
    ]
    for (const name of made) mkdirSync(join(this.root, name), { recursive: true })
    for (const name of ['configs', 'settings']) mkdirSync(join(this.#folder, name), { recursive: true })
    writeFileSync(join(this.#folder, 'compose.yaml'), '')
    for (const [name, script] of Object.entries(PROGRAMS)) {
      writeFileSync(join(this.root, 'bin', name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(this.root, 'bin', name), 0o755)
    }
    for (const name of ['new', 'broken']) writeFileSync(join(this.root, name, 'id'), `${name}\n`)
    this.install('old')
  }

  install(version: string): void {
    for (const name of ['tags/wimz-robot:latest', 'container', 'running']) this.#write(name, version)
  }

  tag(name: string, version: string): void {
    this.#write(`tags/wimz-robot:${name}`, version)
  }

  /** An archive as `wimz backup` makes it. */
  get archive(): string {
    const path = join(this.root, 'saved.tar.gz')
    execFileSync('tar', ['-czf', path, '-C', this.#folder, 'configs', '-C', this.#fake, 'data'])
    return path
  }

  get running(): string {
    return readFileSync(join(this.#fake, 'running'), 'utf8').trim()
  }

  get tagged(): string {
    return readFileSync(join(this.#fake, 'tags/wimz-robot:latest'), 'utf8').trim()
  }

  get removed(): string[] {
    const path = join(this.#fake, 'removed')
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : []
  }

  get isAtRest(): boolean {
    return !existsSync(this.#trial) && !existsSync(this.#unit)
  }

  /** Runs `wimz`; the power fails at step `cut`. */
  wimz(args: string[], cut = 0): Promise<Ended> {
    return this.#run([WIMZ, ...args], this.#folder, { CUT: `${cut}` }).ended
  }

  /** Starts `wimz` and returns when it is in the given command of Docker, where it stays until `release()`. */
  async hold(args: string[], command: 'build' | 'stop' | 'trial'): Promise<Run> {
    const run = this.#run([WIMZ, ...args], this.#folder, { HOLD: command })
    await until(() => existsSync(join(this.#fake, 'held')), { deadline: 60_000, every: 20 })
    return run
  }

  release(): void {
    this.#write('released', '')
  }

  /** What the next boot does: Docker starts what ran, and systemd the unit that is there for the time of a change. */
  async boot(): Promise<void> {
    if (!existsSync(join(this.#fake, 'enabled-resume-wimz-docker.service'))) return
    const unit = readFileSync(this.#unit, 'utf8').replaceAll('%%', '%')
    const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
    if (!existsSync(value('ConditionPathExists'))) return
    const [, script = '', verb = ''] = /^"(.*)" (.*)$/.exec(value('ExecStart')) ?? []
    const { code, output } = await this.#run([script, verb], value('WorkingDirectory'), {}).ended
    assert.equal(code, 0, output)
  }

  #run([script = '', ...args]: string[], cwd: string, how: Record<string, string>): Run {
    this.#write('steps', '0')
    const env = {
      ...process.env,
      PATH: `${join(this.root, 'bin')}:${process.env.PATH}`,
      WIMZ_ROOT: this.root,
      WIMZ_HEALTH_TIMEOUT: '0',
      FAKE: this.#fake,
      ...how,
    }
    // a process group of its own, which the power cut ends
    const running = execute('setsid', ['-w', 'sh', script, ...args], { env, cwd })
    const ended = running.then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      ({ code, stdout, stderr }) => ({ code, output: `${stdout}${stderr}` }),
    )
    return { ended, pid: running.child.pid ?? 0 }
  }

  get #trial(): string {
    return join(this.#folder, '.wimz-trial')
  }

  get #unit(): string {
    return join(this.root, 'etc/systemd/system/resume-wimz-docker.service')
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#fake, name), `${text}\n`)
  }
}

/**
 * Cuts the power at every `interval`-th step of a verb until the verb ends by itself, each time on a new robot, which must
 * run one whole version afterwards. Returns the number of cuts.
 */
export async function cutPower(
  t: TestContext,
  prepare: (robot: FakeRobot) => string[],
  interval: number,
): Promise<number> {
  for (let cuts = 0; ; cuts++) {
    const step = 1 + cuts * interval
    const robot = new FakeRobot(t)
    const { code, output } = await robot.wimz(prepare(robot), step)
    if (code === 0 || code === 75) return cuts
    await robot.boot()
    assert.ok(['old', 'new'].includes(robot.running), `step ${step}: ${robot.running} ${output}`)
    assert.equal((await robot.wimz(['resume'])).code, 0)
    assert.ok(robot.isAtRest, `step ${step}`)
  }
}
