import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '#dev/harness/until.ts'
import { createLogger } from '#lib/logger.ts'
import { Camera } from '#services/vision/camera/camera.ts'
import { captureFrom } from '#services/vision/camera/sources/open.ts'
import { withoutGstreamer } from '#test/helpers/tools.ts'
import { type BreakableSource, SIZE } from './breakable-source.ts'
import { SOURCES } from './sources.ts'

/** A stall is noticed after 2 s, and then a placeholder is shown within one. */
const PLACEHOLDER = 3_500
/** The waits between tries grow to 10 s. */
const RECOVERY = 15_000

interface Watched extends AsyncDisposable {
  camera: Camera
  edges: boolean[]
  /** Resolves with the ms that it took until such a picture came, as large as said. */
  until(live: boolean, within: number, width?: number): Promise<number>
}

function watch({ source }: BreakableSource): Watched {
  let last: { live: boolean; at: number; width: number } | undefined
  const edges: boolean[] = []
  const camera = new Camera({
    settings: { source, ...SIZE, fps: 25, rotate: 0, flip: 'none' },
    captureFrom,
    log: createLogger('test', { write() {} }),
  })
  camera.on('frame', ({ live, at, pixels }) => {
    last = { live, at, width: pixels.width }
  })
  camera.on('edge', (ok) => void edges.push(ok))
  camera.start()
  return {
    camera,
    edges,
    async until(live, within, width) {
      const start = performance.now()
      const met = () =>
        last && last.live === live && last.at > start && (width === undefined || last.width === width)
      await until(met, { deadline: within, show: () => ({ live, width, last }) })
      return performance.now() - start
    },
    [Symbol.asyncDispose]: () => camera[Symbol.asyncDispose](),
  }
}

/** Times in ms: until the placeholder, until it is live again. */
type Cell = [placeholder: number | undefined, recovery: number | undefined]

const FAULTS: Record<string, (source: BreakableSource) => Promise<Cell | undefined>> = {
  async 'missing at start'(broken) {
    if (!broken.remove) return undefined
    await broken.remove()
    await using seen = watch(broken)
    const placeholder = await seen.until(false, PLACEHOLDER)
    await sleep(300)
    assert.notEqual(seen.camera.error, null)
    assert.deepEqual(seen.edges, [], 'what it is at first is no edge')
    if (broken.source.type === 'v4l2') return [placeholder, undefined]
    await broken.restore()
    return [placeholder, await seen.until(true, RECOVERY)]
  },
  async dies(broken) {
    const { die, restore } = broken
    if (!die) return undefined
    await using seen = watch(broken)
    await seen.until(true, RECOVERY)
    await die()
    const placeholder = await seen.until(false, PLACEHOLDER)
    await sleep(300)
    await restore()
    const recovery = await seen.until(true, RECOVERY)
    assert.deepEqual(seen.edges.slice(0, 2), [false, true], 'one event for each edge')
    return [placeholder, recovery]
  },
  async stalls(broken) {
    const { stall, restore } = broken
    if (!stall) return undefined
    await using seen = watch(broken)
    await seen.until(true, RECOVERY)
    // the rate of a network camera is known only after some frames
    await sleep(1_000)
    stall()
    const placeholder = await seen.until(false, PLACEHOLDER)
    assert.match(String(seen.camera.error), /no frame for 2 s/)
    await restore()
    return [placeholder, await seen.until(true, RECOVERY)]
  },
  async 'changes size'(broken) {
    const { resize } = broken
    if (!resize) return undefined
    await using seen = watch(broken)
    await seen.until(true, RECOVERY)
    await resize()
    return [undefined, await seen.until(true, RECOVERY, 192)]
  },
}

async function row(t: TestContext, name: string): Promise<string> {
  const cells: string[] = []
  for (const [fault, tryIt] of Object.entries(FAULTS)) {
    await t.test(`${name}, ${fault}`, async (inner) => {
      const cell = await tryIt(await (SOURCES[name] as (typeof SOURCES)[string])(inner))
      const text = (time: number | undefined) => (time === undefined ? '-' : `${(time / 1000).toFixed(1)}`)
      cells.push(cell ? cell.map(text).join(' / ') : 'cannot')
    })
  }
  return `| ${[name, ...cells].join(' | ')} |`
}

test('every source × every fault: a placeholder soon, then recovery', {
  skip: withoutGstreamer(),
}, async (t) => {
  const rows = [`| seconds to placeholder / to recovery | ${Object.keys(FAULTS).join(' | ')} |`]
  for (const name of Object.keys(SOURCES)) rows.push(await row(t, name))
  for (const line of rows) t.diagnostic(line)
})
