import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { readMachine } from '#services/home-assistant/machine.ts'
import { ReadingsReport } from '#services/home-assistant/readings.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { memoryBus } from '#test/helpers/memory-bus.ts'

const within = 20_000
const MACHINE = { temperature: 50, wifi_signal: -60, storage_free: 12.3 }

test('telemetry goes before the machine, the newest source counts, and a withdrawn one does not', async (t) => {
  const memory = await memoryBus(t)
  const robot = await memory.connect('robot')
  const readings = await collect(robot, topics.readings)
  const report = new ReadingsReport({ bus: robot, dataDir: '.', intervalMs: 20, read: async () => MACHINE })
  memory.use(report)
  await report.start()
  const silent = { treats_left: null, sound_level: null }
  assert.deepEqual((await readings.next({ within })).payload, { ...silent, ...MACHINE })

  await robot.publish(topics.telemetry, { treats_remaining: 12, temperature: 61.4 }, { source: 'body' })
  await robot.publish(topics.telemetry, { level: 80, temperature: 31 }, { source: 'battery' })
  await robot.publish(topics.telemetry, { mode: 'wifi', signal: -48.5 }, { source: 'network_state' })
  const told = { ...MACHINE, ...silent, treats_left: 12, temperature: 61, wifi_signal: -48 }
  await readings.next({ within, where: ({ wifi_signal }) => wifi_signal === -48 })
  assert.deepEqual(readings.all.at(-1)?.payload, told)

  await robot.publish(topics.event, { remaining: 11 }, { name: 'treat_dispensed' })
  await readings.next({ within, where: ({ treats_left }) => treats_left === 11 })
  await robot.publish(topics.telemetry, { treats_remaining: 30 }, { source: 'body' })
  await readings.next({ within, where: ({ treats_left }) => treats_left === 30 })
  await robot.publish(topics.telemetry, null, { source: 'body' })
  await readings.next({
    within,
    where: ({ treats_left, temperature }) => treats_left === 11 && temperature === 50,
  })
})

test('the sound level is the loudest of an interval, and unknown while the microphone is closed', async (t) => {
  const memory = await memoryBus(t)
  const robot = await memory.connect('robot')
  const readings = await collect(robot, topics.readings)
  const report = new ReadingsReport({ bus: robot, dataDir: '.', intervalMs: 100, read: async () => MACHINE })
  memory.use(report)
  await report.start()
  for (const rms_dbfs of [-40.2, -12.4, -50])
    await robot.publish(topics.audioLevel, { rms_dbfs, peak_dbfs: 0 })
  await readings.next({ within, where: ({ sound_level }) => sound_level === -12 })
  await readings.next({ within, where: ({ sound_level }) => sound_level === null })
})

test('readings of the machine are those of the kernel, rounded', async (t) => {
  const root = temporaryFolder(t)
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const empty = await readMachine(join(root, 'missing'), root)
  assert.deepEqual(empty, { temperature: null, wifi_signal: null, storage_free: null })
  write('sys/class/thermal/thermal_zone0/temp', '48312\n')
  write('sys/class/thermal/thermal_zone1/temp', '51700\n')
  write('sys/class/thermal/thermal_zone2/temp', '')
  write(
    'proc/net/wireless',
    [
      'Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE',
      ' face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22',
      ' wlan0: 0000   58.  -52.  -256        0      0      0      0     23        0',
      '',
    ].join('\n'),
  )
  const { storage_free, ...rest } = await readMachine(root, root)
  assert.deepEqual(rest, { temperature: 52, wifi_signal: -52 })
  assert.ok(storage_free !== null && storage_free > 0)
})
