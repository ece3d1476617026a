import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { openViewer } from '#dev/harness/page.ts'
import { startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { type Network, openNetwork, withoutNamespaces } from '#test/helpers/netns.ts'
import { without } from '#test/helpers/tools.ts'
import { clicksHeard, listenForClicks } from './clicks.ts'
import { openSpeakers, TalkMeter } from './talking.ts'

const MINUTES = Number(process.env.WIMZ_TALK_MINUTES ?? 10)
/** Of the robot's media. */
const PORTS = [40_000, 40_009] as const
/** Jitter of 30 ms: a delay of 0 to 60 ms for each packet. */
const MAX_DELAY_MS = 60
const [RELAY_PORT, METRICS_PORT] = [18_080, 19_100]

/** Sends UDP between viewer and robot through a relay on the router that delays it; the direct path is closed. */
async function delay(network: Network) {
  const args = ['test/helpers/delay-relay.ts', '--ports', PORTS.join('-'), '--to', network.address.robot]
  const relay = network.spawn('router', process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  if (relay.stdout) await once(relay.stdout, 'data')
  network.forward('meta l4proto udp drop')
  network.run('router', 'nft', 'add table ip detour')
  network.run('router', 'nft', 'add chain ip detour pre { type nat hook prerouting priority -100; }')
  const ports = `udp dport ${PORTS.join('-')} redirect`
  network.run('router', 'nft', `add rule ip detour pre ip daddr ${network.address.robot} ${ports}`)
  network.run('router', 'nft', 'add table inet loss')
  return {
    /** Longest delay (ms) and loss in each direction (percent) from now on. */
    set(most: number, loss: number) {
      relay.stdin?.write(`${most}\n`)
      network.run('router', 'nft', 'delete table inet loss')
      network.run('router', 'nft', 'add table inet loss')
      network.run('router', 'nft', 'add chain inet loss in { type filter hook input priority 0; }')
      const rule = `meta l4proto udp numgen random mod 100 < ${loss} drop`
      if (loss > 0) network.run('router', 'nft', `add rule inet loss in ${rule}`)
    },
  }
}

/** Metrics of the talk: ms that were repaired, by kind, and how long packets wait. */
function talkMetrics(network: Network) {
  const script = `fetch('http://127.0.0.1:${METRICS_PORT}/metrics').then((r) => r.text()).then(console.log)`
  const text = network.run('robot', process.execPath, '-e', script)
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? 0)
  const repaired = (cause: string) =>
    number(new RegExp(`^wimz_talk_repaired_total\\{[^}]*"${cause}"[^}]*\\} ([\\d.]+)`, 'm'))
  return {
    concealed: repaired('concealed'),
    skipped: repaired('skipped'),
    late: repaired('late'),
    waitMs: Math.round(number(/^wimz_talk_delay_seconds(?:\{[^}]*\})? ([\d.]+)/m) * 1_000),
  }
}

/** What the page's peer connection counts of the sound. */
function hearing(page: Page) {
  return page.evaluate(async () => {
    const stats = [...((await globalThis.wimz.pc?.getStats())?.values() ?? [])]
    const audio = stats.find(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')
    return {
      lost: audio?.packetsLost ?? 0,
      received: audio?.packetsReceived ?? 0,
      concealed: audio?.concealedSamples ?? 0,
      samples: audio?.totalSamplesReceived ?? 1,
      delay: audio?.jitterBufferDelay ?? 0,
      emitted: audio?.jitterBufferEmittedCount ?? 1,
    }
  })
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

test(`${MINUTES} minutes of talk with 5 % loss and 30 ms of jitter: concealed, without drift`, {
  skip: without('chromium') || withoutNamespaces(),
  timeout: (MINUTES + 5) * 60_000,
}, async (t) => {
  const network = openNetwork(t)
  const meter = new TalkMeter(t)
  const token = 'network'
  const stack = await startStack(
    {
      cloud: {
        relay_url: `ws://127.0.0.1:${RELAY_PORT}/ws/device`,
        device_id: 'wimz_test',
        device_secret: 'test-only',
      },
      local_relay: { enabled: true, host: '0.0.0.0', port: RELAY_PORT, token },
      metrics: { port: METRICS_PORT },
      vision: {
        source: { type: 'synthetic' },
        detector: { enabled: false },
        snapshot_fps: 0,
        overlay: false,
      },
      webrtc: {
        stun_servers: [],
        video: { width: 320, height: 180, fps: 10 },
        ice: { port_range: [...PORTS] },
      },
      audio: { source: { type: 'synthetic' }, speaker: meter.speaker, full_duplex: true },
    },
    {
      within: 90_000,
      start: (program, args, options) => network.spawn('robot', program, args, options),
    },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const path = await delay(network)
  const origin = `http://${network.address.robot}:${RELAY_PORT}`
  const context = await openSpeakers(t, {
    executablePath: network.wrapper('viewer', '/usr/bin/chromium'),
    trusted: origin,
    microphone: meter.microphone,
  })
  const page = await openViewer({ newPage: () => context.newPage() }, `${origin}/?token=${token}`, 60_000)
  await page.locator('#talk:enabled').waitFor({ timeout: 20_000 })
  await page.evaluate(() => document.getElementById('sound')?.click())
  await page.keyboard.down('t')
  await listenForClicks(page)
  await sleep(5_000)
  path.set(MAX_DELAY_MS, 5)
  await sleep(5_000)
  await clicksHeard(page)
  const before = { talk: talkMetrics(network), hear: await hearing(page) }
  const ages: number[][] = []
  const waits: number[] = []
  for (let n = 0; n < MINUTES * 6; n++) {
    await sleep(10_000)
    ages.push((await clicksHeard(page)).map((at) => at % 1_000))
    waits.push(talkMetrics(network).waitMs)
    await meter.fetch(page)
  }
  const after = { talk: talkMetrics(network), hear: await hearing(page) }
  path.set(0, 0)
  await sleep(15_000)
  const calm = {
    talk: talkMetrics(network),
    ages: (await clicksHeard(page)).slice(-8).map((at) => at % 1_000),
  }
  await page.keyboard.up('t')
  await sleep(3_000)
  const talked = await meter.compare(page)
  const ms = MINUTES * 60_000
  const seen = {
    talked,
    waits: { least: Math.min(...waits), most: Math.max(...waits), calm: calm.talk.waitMs },
    repaired: {
      concealed: (after.talk.concealed - before.talk.concealed) / ms,
      skipped: (after.talk.skipped - before.talk.skipped) / ms,
      late: (after.talk.late - before.talk.late) / ms,
    },
    heard: {
      lost: (after.hear.lost - before.hear.lost) / (after.hear.received - before.hear.received),
      concealed: (after.hear.concealed - before.hear.concealed) / (after.hear.samples - before.hear.samples),
      bufferMs: ((after.hear.delay - before.hear.delay) * 1_000) / (after.hear.emitted - before.hear.emitted),
      clicks: ages.flat().length,
      first: median(ages.slice(0, 3).flat()),
      last: median(ages.slice(-3).flat()),
      calm: median(calm.ages),
    },
  }
  t.diagnostic(JSON.stringify(seen))
  assert.ok(seen.heard.lost > 0.02 && seen.repaired.concealed > 0.02, 'packets were lost')
  assert.ok(seen.repaired.concealed < 0.12, `${seen.repaired.concealed} concealed`)
  assert.ok(Math.abs(talked.delay.last - talked.delay.first) <= 40, 'the delay of the talk drifts')
  assert.ok(Math.abs(seen.heard.last - seen.heard.first) <= 40, 'the delay of the sound drifts')
  assert.ok(seen.waits.most <= 120 && seen.waits.calm <= 120, JSON.stringify(seen.waits))
})
