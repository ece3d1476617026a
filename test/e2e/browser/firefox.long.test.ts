import assert from 'node:assert/strict'
import test from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { launchFirefox } from './firefox.ts'

/** Of what the page has heard. */
const SOUND_ENERGY = `window.wimz.pc.getStats().then((stats) =>
  [...stats.values()].find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')?.totalAudioEnergy ?? 0)`

test('Firefox, which has no H.264 of its own, shows VP8 and hears; the encoder is gone when it is', {
  skip: without('firefox-esr'),
  timeout: 120_000,
}, async (t) => {
  const stack = await startStack({
    vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    audio: { source: { type: 'synthetic' } },
  })
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const bus = await stack.join()
  const [sessions, demand] = [await collect(bus, topics.sessions), await collect(bus, topics.demand)]
  const firefox = await launchFirefox()
  closeAfter(t, () => firefox[Symbol.asyncDispose]())
  await firefox.open(`${stack.page}?latency`)
  await sessions.next({ within: 30_000, where: ([one]) => one?.codec === 'VP8' && one.layer === 'high' })
  let heights: unknown
  const shown = async () => {
    heights = await firefox.evaluate('window.wimz.pictures.map(([, , height]) => height).slice(-100)')
    return Number(await firefox.evaluate('window.wimz.pictures.length'))
  }
  // of the layer `high`, whose frames are smaller than 720 lines where the machine does not keep up
  const before = await shown()
  await until(async () => (await shown()) >= before + 60, {
    deadline: 30_000,
    every: 200,
    show: () => heights,
  })
  t.diagnostic(`heights: ${JSON.stringify(heights)}`)
  t.diagnostic(`glass to glass: ${JSON.stringify(await firefox.evaluate('window.wimz.latency'))}`)
  assert.ok(demand.all.every(({ payload }) => payload?.codec === 'vp8' || empty(payload?.layers)))
  await firefox.evaluate("document.getElementById('sound').click()")
  const energy = async () => Number(await firefox.evaluate(SOUND_ENERGY))
  await until(async () => (await energy()) > 0.001, { deadline: 20_000, every: 200 })
  t.diagnostic(`energy of the sound: ${await energy()}`)
  await firefox.open('about:blank')
  await demand.next({ within: 15_000, where: (one) => empty(one?.layers) })
  await stack.line(({ msg, codec }) => msg === 'encoder closed' && codec === 'vp8')
})

const empty = (layers: object | undefined) => Object.keys(layers ?? {}).length === 0
