import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AudioState } from '#bus/messages.ts'
import { speak } from '../speak.ts'
import { startTestAudio } from '../start-audio.ts'
import {
  cameraSource,
  type Device,
  FAULTS,
  type Fault,
  fileSource,
  installPrograms,
  programDevice,
} from './devices.ts'

/** How long a fault lasts that does not end by itself. */
const FAULT_MS = 2_000
/** The slowest: a camera whose connection stays open and silent. */
const MAX_STATE_MS = 5_000
/** After a short fault. */
const MAX_RECOVERY_MS = 12_000
const TALK_SECONDS = 60
/** What a device says that cannot be opened, not one that has just ended. */
const LASTING = /exited with code 1|cannot open|cannot run/
/** Where the table stands in docs/audio.md; with WIMZ_WRITE_TABLE=1 it is written. */
const TABLE = /(<!-- faults: begin -->\n)[\s\S]*?(<!-- faults: end -->)/

interface Cell {
  fault: Fault
  /** From the fault to the state, and from its end to sound, ms. */
  stateMs: number
  recoveryMs: number
  reason: string
}

interface Row {
  name: string
  cells: Cell[]
}

type Part = (state: AudioState) => { ok: boolean | null | undefined; error: string | null | undefined }

const ofSource: Part = ({ audio_ok: ok, audio_error: error }) => ({ ok, error })
const ofSpeaker: Part = ({ speaker }) => ({ ok: speaker?.ok, error: speaker?.error })

/** Breaks and repairs a device in each way that it can be. */
async function suffer(t: TestContext, name: string, device: Device, part: Part): Promise<Row> {
  const isSource = part === ofSource
  const audio = await startTestAudio(t, { [isSource ? 'source' : 'speaker']: device.section })
  const ended = new AbortController()
  t.after(() => ended.abort())
  const talking = isSource ? undefined : speak(audio.app, 1, TALK_SECONDS, ended.signal)
  if (isSource) await audio.demand()
  const become = async (ok: boolean, within: number, reason = /^/) => {
    const where = (state: AudioState) => part(state).ok === ok && reason.test(part(state).error ?? '')
    return part((await audio.states.next({ where, within })).payload)
  }
  await become(true, 10_000)
  const cells: Cell[] = []
  for (const fault of device.faults) {
    // a device that has worked for 3 s begins again with the shortest interval
    await sleep(4_000)
    const broken = performance.now()
    await device.break(fault)
    const lasts = fault === 'missing' || fault === 'busy'
    // the first attempt to open it again says what is wrong
    const { error } = await become(false, MAX_STATE_MS, lasts ? LASTING : undefined)
    const stateMs = performance.now() - broken
    if (lasts) await sleep(FAULT_MS)
    const repaired = lasts ? performance.now() : broken + stateMs
    await device.repair()
    await become(true, MAX_RECOVERY_MS)
    cells.push({ fault, stateMs, recoveryMs: performance.now() - repaired, reason: error ?? '' })
  }
  ended.abort()
  await talking
  return { name, cells }
}

const seconds = (ms: number) => (ms / 1_000).toFixed(1)

function tableOf(rows: readonly Row[]): string {
  const head = ['', ...FAULTS].join(' | ')
  const line = ({ name, cells }: Row) => {
    const cellOf = (fault: Fault) => {
      const cell = cells.find((one) => one.fault === fault)
      return cell ? `${seconds(cell.stateMs)} / ${seconds(cell.recoveryMs)}` : '–'
    }
    return `| ${[name, ...FAULTS.map(cellOf)].join(' | ')} |`
  }
  return [`|${head} |`, '|---|---|---|---|---|', ...rows.map(line), ''].join('\n')
}

test('every fault of every device is in the state, and ends by itself', { timeout: 300_000 }, async (t) => {
  const folder = installPrograms(t)
  const program = (name: string, section: (device: string) => object, part: Part) =>
    suffer(t, name, programDevice(folder, name.replaceAll(/\W/g, '-'), section), part)
  const rows = await Promise.all([
    program('`alsa`', (device) => ({ type: 'alsa', device }), ofSource),
    program('`pulse`, `pipewire`', (device) => ({ type: 'pulse', device }), ofSource),
    program('`exec`', (device) => ({ type: 'exec', command: ['exec', device] }), ofSource),
    suffer(t, '`url`, camera', await cameraSource(t), ofSource),
    suffer(t, '`url`, file', fileSource(folder, 'clip'), ofSource),
    program('speaker `alsa`', (device) => ({ type: 'alsa', device }), ofSpeaker),
    program('speaker `pulse`, `pipewire`', (device) => ({ type: 'pulse', device }), ofSpeaker),
    program('speaker `exec`', (device) => ({ type: 'exec', command: ['exec', 'play', device] }), ofSpeaker),
  ])
  const table = tableOf(rows)
  t.diagnostic(table)
  for (const { name, cells } of rows) {
    for (const { fault, stateMs, recoveryMs, reason } of cells) {
      t.diagnostic(`${name} ${fault}: ${reason}`)
      assert.ok(reason.length > 0, `${name} ${fault}: no reason`)
      assert.ok(stateMs <= MAX_STATE_MS && recoveryMs <= MAX_RECOVERY_MS, `${name} ${fault}`)
    }
  }
  const page = new URL('../../../docs/audio.md', import.meta.url)
  const text = readFileSync(page, 'utf8')
  assert.match(text, TABLE)
  if (process.env.WIMZ_WRITE_TABLE === '1') writeFileSync(page, text.replace(TABLE, `$1\n${table}\n$2`))
})
