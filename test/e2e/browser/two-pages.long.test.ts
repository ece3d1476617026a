import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import type { Bus } from '#bus/bus.ts'
import type { Detections } from '#bus/messages.ts'
import { topics } from '#bus/topics.ts'
import { launchBrowser } from '#dev/harness/browser.ts'
import { collect } from '#dev/harness/collect.ts'
import { openViewer, read } from '#dev/harness/page.ts'
import { startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'

/** How far a channel may be from the overlay’s colour for `dog` after encoding, 0..255. */
const NEAR = 60

test('two pages watch a dog at once', { skip: without('chromium'), timeout: 180_000 }, async (t) => {
  const stack = await startStack({}, { within: 90_000 })
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const bus = await stack.join()
  const browser = await launchBrowser()
  closeAfter(t, () => browser.close())
  const pages = [await openViewer(browser, stack.page, 60_000), await openViewer(browser, stack.page, 60_000)]

  await t.test('each page decodes the frames that vision publishes, and loses no packet', async () => {
    const seen = await watch(bus, pages, 120)
    t.diagnostic(JSON.stringify(seen))
    for (const { encoded, decoded, lost } of seen) {
      // how fast they come depends on the CPU time that vision and the browser get; some are on their way at the end
      assert.ok(encoded >= 120 && decoded >= encoded * 0.9, `${decoded} of ${encoded} frames decoded`)
      assert.equal(lost, 0, 'packets lost on loopback')
    }
  })

  await t.test('a box labelled dog is on the bus and in the picture', async () => {
    const [page] = pages
    assert.ok(page)
    const detections = await collect(bus, topics.detections) // from now on: older ones belong to older pictures
    let seen = 0
    for (let tries = 0; tries < 40 && seen === 0; tries++) {
      const { payload } = await detections.next({ where: holdsDog, within: 30_000 })
      const dog = payload.objects.find(({ label }) => label === 'dog')
      if (dog && (await hasFrameAround(page, dog.box))) seen++
    }
    assert.ok(seen > 0, 'no outline where the bus says that the dog is')
  })

  await t.test('both tracks carry a stream, and control is unordered without retransmits', async () => {
    for (const page of pages) {
      await page.waitForFunction(() => globalThis.wimz.channel?.readyState === 'open', undefined, {
        timeout: 5_000,
      })
      const facts = await page.evaluate(() => {
        const { pc, channel } = globalThis.wimz
        const video = document.querySelector('video')
        return {
          kinds:
            ((video?.srcObject ?? null) as MediaStream | null)?.getTracks().map(({ kind }) => kind) ?? [],
          sections: pc?.remoteDescription?.sdp.split(/^m=/m).slice(1) ?? [],
          channel: {
            label: channel?.label,
            ordered: channel?.ordered,
            maxRetransmits: channel?.maxRetransmits,
          },
        }
      })
      assert.deepEqual(facts.kinds.toSorted(), ['audio', 'video'])
      assert.deepEqual(facts.channel, { label: 'control', ordered: false, maxRetransmits: 0 })
      const [video, audio, application] = facts.sections
      assert.match(video ?? '', /^video [\s\S]*a=msid:\S+ [\s\S]*/)
      assert.match(audio ?? '', /^audio [\s\S]*a=msid:\S+ [\s\S]*/)
      assert.match(application ?? '', /^application /)
      assert.match(video ?? '', /profile-level-id=42e01f/)
    }
  })
})

/** What each page saw of the next `count` frames that vision publishes for its layer: frames decoded, packets lost, seconds frozen. */
async function watch(bus: Bus, pages: readonly Page[], count: number) {
  const published = await collect(bus, topics.video, { layer: 'high' })
  const before = await Promise.all(pages.map(read))
  const first = published.all.length
  await until(() => published.all.length >= first + count, {
    deadline: 90_000,
    show: () => published.all.length,
  })
  const encoded = published.all.length - first
  const after = await Promise.all(pages.map(read))
  return after.map((end, i) => {
    const start = before[i] ?? end
    return {
      encoded,
      decoded: end.framesDecoded - start.framesDecoded,
      lost: end.lost - start.lost,
      freezes: end.freezes - start.freezes,
      frozen: Math.round((end.frozen - start.frozen) * 100) / 100,
    }
  })
}

function holdsDog({ objects }: Detections): boolean {
  return objects.some(({ label, box: [x, y, width, height] }) => {
    const inside = x > 0.02 && y > 0.1 && x + width < 0.98 && y + height < 0.98
    return label === 'dog' && inside && width > 0.08
  })
}

/** Whether two horizontal lines of one strong colour, none of it in the middle, lie near the box’s top and bottom. */
function hasFrameAround(page: Page, box: readonly [number, number, number, number]): Promise<boolean> {
  return page.evaluate(
    ({ box: [x, y, width, height], near }) => {
      const video = document.querySelector('video')
      const canvas = document.createElement('canvas')
      if (!video) return false
      canvas.width = video.videoWidth
      canvas.height = video.videoHeight
      const context = canvas.getContext('2d')
      if (!context) return false
      context.drawImage(video, 0, 0)
      const yellow = [240, 230, 90]
      /** Share of a row inside the box that has the overlay's colour. */
      const share = (row: number) => {
        const left = Math.round((x + width * 0.25) * canvas.width)
        const span = Math.round(width * 0.5 * canvas.width)
        const { data } = context.getImageData(left, row, span, 1)
        let hits = 0
        for (let i = 0; i < data.length; i += 4) {
          const off = yellow.map((value, channel) => Math.abs(value - (data[i + channel] ?? 0)))
          if (Math.max(...off) < near) hits++
        }
        return hits / span
      }
      const best = (centre: number) => {
        let most = 0
        for (let row = Math.round(centre) - 24; row <= centre + 24; row++) {
          if (row >= 0 && row < canvas.height) most = Math.max(most, share(row))
        }
        return most
      }
      const top = best(y * canvas.height)
      const bottom = best((y + height) * canvas.height)
      const middle = share(Math.round((y + height / 2) * canvas.height))
      return top > 0.7 && bottom > 0.7 && middle < 0.3
    },
    { box, near: NEAR },
  )
}
