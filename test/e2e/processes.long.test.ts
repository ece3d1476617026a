import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchBrowser } from '#dev/harness/browser.ts'
import { isAlive } from '#dev/harness/is-alive.ts'
import { openViewer, waitForFrames } from '#dev/harness/page.ts'
import { ON_MOSQUITTO, startStack } from '#dev/harness/stack.ts'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'

test('each process may be killed during a session', {
  skip: without('chromium'),
  timeout: 180_000,
}, async (t) => {
  const stack = await startStack()
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const browser = await launchBrowser()
  closeAfter(t, () => browser.close())
  const page = await openViewer(browser, stack.page)

  for (const service of ['vision', 'broker']) {
    await t.test(`${service} is back: the picture moves again within 5 s without a new offer`, async () => {
      const peer = await page.evaluateHandle(() => globalThis.wimz.pc)
      await stack.kill(service)
      await waitForFrames(page, 15, 5_000)
      assert.ok(await page.evaluate((before) => before === globalThis.wimz.pc, peer), 'the peer survived')
    })
  }

  for (const service of ['webrtc', 'relay-bridge']) {
    await t.test(`${service} is back: the page plays again within 10 s`, async () => {
      await stack.kill(service)
      await waitForFrames(page, 15, 10_000)
    })
  }

  await t.test('a fresh page still gets a picture', async () => {
    await openViewer(browser, stack.page, 10_000)
  })
})

test('SIGTERM stops everything within 5 s and exits 0', { timeout: 60_000 }, async (t) => {
  const stack = await startStack()
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const pids = [...stack.pids.values()]
  assert.equal(pids.length, ON_MOSQUITTO ? 4 : 5)
  const exited = new Promise<number | null>((resolve) =>
    stack.supervisor.once('exit', (code) => resolve(code)),
  )
  const start = performance.now()
  stack.supervisor.kill('SIGTERM')
  assert.equal(await exited, 0)
  assert.ok(performance.now() - start < 5_000)
  assert.deepEqual(pids.filter(isAlive), [])
})

test('a killed supervisor leaves no orphans behind', { timeout: 60_000 }, async (t) => {
  const stack = await startStack()
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  const pids = [...stack.pids.values()]
  stack.supervisor.kill('SIGKILL')
  await until(() => !pids.some(isAlive), { deadline: 6_000, show: () => pids.filter(isAlive) })
})
