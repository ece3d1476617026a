import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, promises, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { adviceOn } from '#lib/process/disk.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import {
  checkClock,
  checkDisk,
  checkHeat,
  checkMemoryLimits,
  judgeThrottling,
} from '../../doctor/machine-check.ts'

const contextOf = (config: object) => ({
  ...{ config, iceServers: [], services: new Map(), bus: undefined, link: undefined, brokerDown: false },
})

test('a kernel without the memory control group, as on Raspberry Pi OS, is a warning', async (t) => {
  const root = temporaryFolder(t)
  const statusWith = async (controllers: string, cgroups: string) => {
    for (const [folder, name, text] of [
      ['sys/fs/cgroup', 'cgroup.controllers', controllers],
      ['proc', 'cgroups', cgroups],
    ] as const) {
      mkdirSync(join(root, folder), { recursive: true })
      writeFileSync(join(root, folder, name), text)
    }
    return (await checkMemoryLimits(root))[0]?.status
  }
  assert.equal(await statusWith('cpuset cpu io pids\n', 'cpu\t0\t88\t1\nmemory\t0\t88\t0\n'), 'warning')
  assert.equal(await statusWith('cpuset cpu io memory pids\n', 'cpu\t0\t88\t1\n'), 'ok')
  assert.equal(await statusWith('', 'cpu\t2\t9\t1\nmemory\t4\t9\t1\n'), 'ok')
  assert.equal((await checkMemoryLimits(join(root, 'nowhere')))[0]?.status, 'ok')
})

test('temperature and throttling of a Raspberry Pi are reported, also where they are unknown', async (t) => {
  const root = temporaryFolder(t)
  const zone = join(root, 'class/thermal/thermal_zone0')
  const firmware = join(root, 'devices/platform/soc/soc:firmware')
  mkdirSync(zone, { recursive: true })
  mkdirSync(firmware, { recursive: true })
  writeFileSync(join(zone, 'temp'), '86200\n')
  writeFileSync(join(firmware, 'get_throttled'), '50005\n')
  const [heat, throttling] = await checkHeat(root)
  assert.deepEqual([heat?.status, heat?.message], ['failure', '86 °C'])
  assert.deepEqual([throttling?.status, throttling?.message], ['failure', 'now: undervoltage, throttled'])
  assert.equal(judgeThrottling(0x50000).status, 'warning')
  assert.equal(judgeThrottling(0).status, 'ok')
  const [none] = await checkHeat(join(root, 'nothing'))
  assert.match(none?.message ?? '', /no readable sensor/)
})

test('a full disk and a folder without write access get different advice', () => {
  const refusal = (path: string) => {
    try {
      writeFileSync(path, 'x')
    } catch (err) {
      return err
    }
    assert.fail(`${path} could be written`)
  }
  assert.match(adviceOn(refusal('/dev/full')), /delete files that are not needed/)
  assert.match(adviceOn(refusal('/proc/nothing')), /a folder that this user may write to/)
  assert.match(adviceOn(Object.assign(new Error('x'), { code: 'EROFS' })), /mounted read-only/)
})

test('a disk with less than 500 MiB is a warning, with less than 50 MiB a failure', async (t) => {
  let free = 0
  t.mock.method(promises, 'statfs', async () => ({ bavail: free * 256, bsize: 4_096 }))
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  const data_dir = temporaryFolder(t)
  for (const [mib, status] of [
    [500, 'ok'],
    [499, 'warning'],
    [50, 'warning'],
    [49, 'failure'],
    [0, 'failure'],
  ] as const) {
    free = mib
    const [result] = await checkDisk(contextOf({ data_dir }))
    assert.deepEqual([result?.status, result?.message], [status, `${data_dir}: ${mib} MiB free`])
  }
})

test('a clock more than 3 s from the relay’s is a warning, more than 60 s a failure', async (t) => {
  let ahead = 0
  let date = true
  const server = createServer((_request, response) => {
    if (date) response.setHeader('Date', new Date(Date.now() - 500 - ahead * 1_000).toUTCString())
    else response.sendDate = false
    response.end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const cloud = { enabled: true, relay_url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws` }
  const check = async () => (await checkClock(contextOf({ cloud })))[0]
  for (const [seconds, status] of [
    [0, 'ok'],
    [-1.5, 'ok'],
    [5, 'warning'],
    [-5, 'warning'],
    [57, 'warning'],
    [63, 'failure'],
    [-3_600, 'failure'],
  ] as const) {
    ahead = seconds
    const result = await check()
    assert.equal(result?.status, status, `${seconds} s: ${result?.message}`)
    const shown = Number(/^(-?[\d.]+) s from the relay/.exec(result?.message ?? '')?.[1])
    assert.ok(Math.abs(shown - seconds) <= 1.1, result?.message)
  }
  date = false
  assert.match((await check())?.message ?? '', /no relay to compare with|synchronized by NTP/)
})

test('75 °C is a warning, 84 °C a failure, and the hottest sensor counts', async (t) => {
  const root = temporaryFolder(t)
  const statusAt = async (...celsius: number[]) => {
    for (const [i, value] of celsius.entries()) {
      const zone = join(root, `class/thermal/thermal_zone${i}`)
      mkdirSync(zone, { recursive: true })
      writeFileSync(join(zone, 'temp'), `${value * 1_000}\n`)
    }
    return (await checkHeat(root))[0]?.status
  }
  assert.equal(await statusAt(74.9), 'ok')
  assert.equal(await statusAt(75), 'warning')
  assert.equal(await statusAt(83.9), 'warning')
  assert.equal(await statusAt(84), 'failure')
  assert.equal(await statusAt(20, 90, 30), 'failure')
})

test('the disk check leaves nothing behind, creates data_dir, and reports a folder that cannot be written', async (t) => {
  const folder = temporaryFolder(t)
  const data_dir = join(folder, 'new', 'data')
  await checkDisk(contextOf({ data_dir }))
  assert.deepEqual(readdirSync(data_dir), [])
  writeFileSync(join(folder, 'file'), '')
  const [result] = await checkDisk(contextOf({ data_dir: join(folder, 'file') }))
  assert.deepEqual([result?.status, result?.check], ['failure', 'disk'])
  assert.match(result?.advice ?? '', /must be a folder that this user may write to/)
})

test('a full quota is a full disk', () => {
  const advice = (code: string) => adviceOn(Object.assign(new Error('x'), { code }))
  assert.match(advice('ENOSPC'), /delete files/)
  assert.match(advice('EDQUOT'), /delete files/)
  assert.match(advice('EACCES'), /check its owner and mode/)
})

test('each bit of the firmware’s throttling flags has its name, now and since boot', () => {
  const names = ['undervoltage', 'frequency capped', 'throttled', 'soft temperature limit']
  for (const [i, name] of names.entries()) {
    const [now, before] = [judgeThrottling(1 << i), judgeThrottling(1 << (16 + i))]
    assert.deepEqual([now.status, now.message], ['failure', `now: ${name}`])
    assert.deepEqual([before.status, before.message], ['warning', `since boot: ${name}`])
  }
  assert.deepEqual(judgeThrottling(0).message, 'none since boot')
  assert.deepEqual(
    [judgeThrottling(undefined).status, judgeThrottling(undefined).message],
    ['ok', 'unknown on this machine (no vcgencmd)'],
  )
})

test('without a relay to compare with the clock is as good as NTP', async () => {
  const [result] = await checkClock(contextOf({ cloud: { enabled: false } }))
  const isSynchronized = existsSync('/run/systemd/timesync/synchronized')
  assert.equal(result?.status, isSynchronized ? 'ok' : 'warning')
  assert.match(result?.message ?? '', /^\d{4}-\d\d-\d\dT/)
})

test('throttling comes from vcgencmd where the kernel does not have it', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'vcgencmd'), '#!/bin/sh\necho throttled=0x50005\n', { mode: 0o755 })
  const { PATH } = process.env
  t.after(() => {
    process.env.PATH = PATH
  })
  process.env.PATH = `${folder}:${PATH}`
  const [, throttling] = await checkHeat(folder)
  assert.equal(throttling?.message, 'now: undervoltage, throttled')
})
