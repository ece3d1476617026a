/// <reference lib="dom" />
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { launchBrowser } from '#dev/harness/browser.ts'
import { ownCertificatePath } from '#dev/relay/tls/own-certificate.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { relayFor } from '../peers.ts'
import { actAsRobot } from './browser-robot.ts'
import { inState, skip } from './watching.ts'

const TOKEN = 'token-of-the-driver'

/** The public key of a certificate, as `--ignore-certificate-errors-spki-list` wants it. */
function spkiOf(pem: string): string {
  const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('base64')
}

test('the page over HTTPS in Chromium: login, cookie, wss, video, microphone, installation', {
  skip,
}, async (t) => {
  const dataDir = temporaryFolder(t)
  const { relay, robot } = await relayFor(t, { https: true, token: TOKEN }, {}, dataDir)
  const spki = spkiOf(readFileSync(ownCertificatePath(dataDir), 'utf8'))
  const browser = await launchBrowser({
    flags: [
      `--ignore-certificate-errors-spki-list=${spki}`,
      '--host-resolver-rules=MAP robot.local 127.0.0.1',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
    ],
  })
  t.after(() => browser.close())
  // no loopback address: browsers trust those without HTTPS
  const origin = `https://robot.local:${relay.port}`
  const context = await browser.newContext()
  t.after(() => context.close())
  await actAsRobot(context, await robot())
  const page = await context.newPage()
  const sockets: string[] = []
  page.on('websocket', (socket) => sockets.push(socket.url()))
  await page.goto(`${origin}/`)
  await page.getByLabel('Token of this robot').fill(TOKEN)
  await page.keyboard.press('Enter')
  // the page of the login has no state
  await page.locator('#video').waitFor()
  await inState(page, 'playing')
  assert.equal(page.url(), `${origin}/`)
  assert.ok(sockets.length > 0 && sockets.every((url) => url.startsWith('wss://')), String(sockets))
  const [cookie] = await context.cookies(origin)
  const { name, secure, httpOnly, sameSite } = cookie ?? {}
  assert.deepEqual({ secure, httpOnly, sameSite }, { secure: true, httpOnly: true, sameSite: 'Strict' })
  assert.equal(name, `__Host-wimz-${relay.port}`)
  const can = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true })
    const kinds = stream.getTracks().map(({ kind }) => kind)
    for (const track of stream.getTracks()) track.stop()
    const worker = await navigator.serviceWorker.ready
    return { isSecureContext, kinds, worker: worker.scope, wakeLock: 'wakeLock' in navigator }
  })
  assert.deepEqual(can, { isSecureContext: true, kinds: ['audio'], worker: `${origin}/`, wakeLock: true })
  await page.reload()
  await inState(page, 'playing')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('Token of this robot').waitFor()
  assert.deepEqual(await context.cookies(origin), [])
})
