import { execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { TestContext } from 'node:test'
import { closeAfter } from './close-after.ts'

/** A robot and a viewer in network namespaces of their own, each with one link to a router between them. */
export interface Network {
  /** Runs a program of the system in one of them; throws when it fails. */
  run(where: Place, program: string, ...args: string[]): string
  /** Starts a process in one of them. It is killed after the test. */
  spawn(where: Place, program: string, args: string[], options: SpawnOptions): ReturnType<typeof spawn>
  /** Bounds what goes from the robot to the viewer: a token bucket of so many kbit/s, with a queue of `queue` ms. */
  narrow(kbits: number, queue?: number): void
  /** A program that starts another one in one of them, for those who can only be told a path. */
  wrapper(where: Place, program: string): string
  /** Replaces the router's nftables rules: what stands in the chain `forward`. */
  forward(...rules: string[]): void
  address: Record<Place, string>
}

export type Place = 'robot' | 'viewer' | 'router'

interface NetworkOptions {
  family?: 4 | 6
  /** Bytes. */
  mtu?: number
}

/** Why there can be no namespaces here, for `skip`; on CI missing tools are a failure, missing rights are not. */
export function withoutNamespaces(): string | false {
  const { status, error } = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'probe', 'type', 'veth'])
  const missing = error ?? spawnSync('nft', ['--version']).error ?? spawnSync('ip', ['-V']).error
  if (status === 0 || (missing && process.env.CI === 'true')) return false
  return 'needs network namespaces: run as root with iproute2 and nftables'
}

let count = 0

/** Makes them; they are gone after the test. Addresses are 10.99.1.2 and 10.99.2.2, or fd99:1::2 and fd99:2::2. */
export function openNetwork(t: TestContext, { family = 4, mtu = 1_500 }: NetworkOptions = {}): Network {
  const tag = `wimz-${process.pid}-${++count}`
  const name = (where: Place) => `${tag}-${where}`
  const folder = mkdtempSync(join(tmpdir(), 'wimz-net-'))
  const children = new Set<ReturnType<typeof spawn>>()
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
  const run: Network['run'] = (where, program, ...args) =>
    execFileSync('ip', ['netns', 'exec', name(where), program, ...args], { stdio: 'pipe', encoding: 'utf8' })
  closeAfter(t, () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    for (const where of ['robot', 'viewer', 'router'] as const) spawnSync('ip', ['netns', 'del', name(where)])
  })
  for (const where of ['robot', 'viewer', 'router'] as const) {
    ip('netns', 'add', name(where))
    run(where, 'ip', 'link', 'set', 'lo', 'up')
  }
  const [net, length] = family === 4 ? ['10.99.%.', 24] : ['fd99:%::', 64]
  for (const [i, where] of (['robot', 'viewer'] as const).entries()) {
    const [near, far] = ['net0', `to-${where}`]
    ip(
      'link',
      'add',
      near,
      'netns',
      name(where),
      'type',
      'veth',
      'peer',
      'name',
      far,
      'netns',
      name('router'),
    )
    const prefix = String(net).replace('%', String(i + 1))
    const assign = (place: Place, device: string, host: number) => {
      run(place, 'ip', 'link', 'set', device, 'mtu', String(mtu), 'up')
      const flags = family === 6 ? ['nodad'] : []
      run(place, 'ip', 'address', 'add', `${prefix}${host}/${length}`, 'dev', device, ...flags)
    }
    assign(where, near, 2)
    assign('router', far, 1)
    run(where, 'ip', `-${family}`, 'route', 'add', 'default', 'via', `${prefix}1`)
  }
  const switches = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
  run('router', 'sysctl', '-qw', `${switches}=1`)
  const at = (i: number, host: number) => `${String(net).replace('%', String(i))}${host}`
  return {
    run,
    address: { robot: at(1, 2), viewer: at(2, 2), router: at(1, 1) },
    spawn(where, program, args, options) {
      const child = spawn('ip', ['netns', 'exec', name(where), program, ...args], options)
      children.add(child)
      return child
    },
    narrow(kbits, queue = 400) {
      const bucket = ['rate', `${kbits}kbit`, 'burst', '4kb', 'latency', `${queue}ms`]
      run('router', 'tc', 'qdisc', 'replace', 'dev', 'to-viewer', 'root', 'tbf', ...bucket)
    },
    wrapper(where, program) {
      const path = join(folder, `${where}-${basename(program)}`)
      writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${name(where)} ${program} "$@"\n`, { mode: 0o755 })
      return path
    },
    forward(...rules) {
      const lines = ['type filter hook forward priority 0', ...rules].join('\n')
      execFileSync('ip', ['netns', 'exec', name('router'), 'nft', '-f', '-'], {
        input: `flush ruleset\ntable inet test {\nchain forward {\n${lines}\n}\n}\n`,
      })
    },
  }
}
