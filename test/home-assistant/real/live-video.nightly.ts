import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startStack } from '#dev/harness/stack.ts'
import { startGo2rtc, withoutProgram } from '#test/e2e/peers/go2rtc.ts'
import { Hass } from './hass.ts'
import { installations, withoutHomeAssistant } from './install.ts'

const within = 120_000
const TOKEN = 'whep-test-token'

for (const installation of installations()) {
  test(`Home Assistant ${installation.version} plays the robot’s video by RTSP from go2rtc`, {
    skip: withoutProgram('go2rtc'),
    timeout: 400_000,
  }, async (t) => {
    await using stack = await startStack(
      { webrtc: { stun_servers: [], max_connections: 4 }, local_relay: { token: TOKEN } },
      { within },
    )
    const { url, lines } = await startGo2rtc(t, stack.relayPort, TOKEN)
    await using hass = await Hass.start(installation)
    const camera = await hass.addGenericCamera(url).catch((err: unknown) => {
      throw new Error(`go2rtc: ${lines.join('\n')}`, { cause: err })
    })
    const { url: master } = await hass.ask<{ url: string }>('camera/stream', {
      ...{ entity_id: camera, format: 'hls' },
    })
    const segment = await hass.until('a segment of the video', async () => {
      const playlist = await hass.text(master)
      const [variant] = /^[^#\n].*$/m.exec(playlist) ?? []
      if (!variant) return undefined
      const path = new URL(variant, `${hass.url}${master}`).pathname
      const segments = (await hass.text(path)).match(/^[^#\n].*\.m4s.*$/gm) ?? []
      const [last] = segments.slice(-1)
      if (!last) return undefined
      const { pathname, search } = new URL(last, `${hass.url}${path}`)
      const response = await hass.request(`${pathname}${search}`)
      return Buffer.from(await response.arrayBuffer())
    })
    assert.ok(segment.length > 10_000, `${segment.length} bytes`)
    assert.ok(segment.includes('moof') && segment.includes('mdat'), 'a fragment of MP4')
    const closed = stack.line(({ msg }) => msg === 'session closed', within)
    await hass.kill()
    await closed
  })
}

test('Home Assistant is installed', { skip: withoutHomeAssistant() }, () => {
  assert.ok(installations().length > 0)
})
