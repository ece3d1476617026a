import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { ON_MOSQUITTO } from '#dev/harness/stack.ts'
import { openApp } from '#test/helpers/app.ts'
import { projectAt, runScript, shellBlocks } from '#test/helpers/document.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without } from '#test/helpers/tools.ts'
import { openViewer } from '#test/webrtc/viewer.ts'
import { sharedStack } from './shared-stack.ts'

const DOCUMENT = 'docs/debugging.md'

interface Expected {
  prints?: RegExp[]
  endless?: boolean
}

/** What each recipe must print, by its heading and its place below it; those that go on for ever are stopped then. */
const EXPECTED: Record<string, Expected[]> = {
  'Which services are up': [
    { prints: [/^wimz\/vision\/state .*"online"/m, /^wimz\/webrtc\/state .*"online"/m] },
    { prints: [/"connected":true/] },
  ],
  'Watch everything': [
    { prints: [/^\d\d:\d\d:\d\d wimz\/vision\/detections \{/m, /wimz\/relay-bridge\/link/], endless: true },
  ],
  'Play the video': [
    // a busy machine gets smaller frames
    { prints: [/Video: h264 .*(1280x720|960x540|640x360)/], endless: true },
    { prints: [/codec_name=h264/, /width=(1280|960|640)/] },
    {},
  ],
  'Save a frame': [{}],
  'See what the detector sees': [{ prints: [/^wimz\/vision\/detections \{.*"objects"/m], endless: true }],
  'Follow one session': [{ prints: [/^wimz\/webrtc\/sessions .*"followed"/m], endless: true }],
  'Send a command': [{}],
  'Fake an event or a reading': [{}, {}],
  'Check the broker': [{ prints: [/^\$SYS\/broker\//m, /"state":"online"/] }],
  'Check one service': [{}],
}

test('every recipe of docs/debugging.md does what it says', {
  skip: without('mosquitto_sub', 'mosquitto_pub', 'ffmpeg') || (ON_MOSQUITTO && 'asks our own broker'),
  timeout: 180_000,
}, async (t) => {
  const { stack } = await sharedStack()
  const home = robotFolder(stack.config, stack.brokerPort)
  const env = { ...process.env, HOME: home, SDL_VIDEODRIVER: 'dummy' }
  const bus = await stack.join('observer')
  using app = await openApp(stack.relayPort)
  await openViewer(t, bus, 'followed')
  const commands = await collect(bus, topics.command, { name: 'dispense_treat' })
  const readings = await collect(bus, topics.telemetry, { source: 'battery' })
  const sections = Map.groupBy(
    shellBlocks(DOCUMENT, 'test/e2e/shared-stack/debugging.test.ts'),
    ({ heading }) => heading,
  )
  assert.deepEqual(
    Object.fromEntries(Array.from(sections, ([heading, blocks]) => [heading, blocks.length])),
    Object.fromEntries(Object.entries(EXPECTED).map(([heading, blocks]) => [heading, blocks.length])),
  )
  for (const [heading, expected] of Object.entries(EXPECTED)) {
    await t.test(heading, async () => {
      for (const [i, recipe] of expected.entries())
        await follow(sections.get(heading)?.[i]?.script ?? '', recipe)
    })
  }

  await t.test('and what they sent has arrived', async () => {
    const frame = readFileSync(join(home, 'dog.jpg'))
    assert.equal(frame.subarray(0, 3).toString('hex'), 'ffd8ff')
    const { payload } = await commands.next({ where: ({ params }) => params.count === 1 })
    assert.match(payload.id, /^\d+$/)
    const dog = await app.frame(({ event }) => event === 'detection')
    assert.equal(Object(dog.data).dog_name, 'Rex')
    await readings.next({ where: (reading) => reading?.level === 12 })
    await readings.next({ where: (reading) => reading === null })
  })

  async function follow(script: string, { prints = [], endless = false }: Expected): Promise<void> {
    const until = endless ? prints : []
    const { code, output } = await runScript(script, { cwd: home, env, until })
    if (!endless) assert.equal(code, 0, `${script}\n${output}`)
    for (const pattern of prints) assert.match(output, pattern, script)
  }

  /** The stack's folder as a person finds it who stands in the project; the clients know the port. */
  function robotFolder(config: string, port: number): string {
    const folder = temporaryFolder(t)
    projectAt(folder)
    copyFileSync(config, join(folder, 'configs/robot.yaml'))
    symlinkSync(join(dirname(config), 'broker'), join(folder, 'data/broker'))
    mkdirSync(join(folder, '.config'))
    for (const tool of ['sub', 'pub'])
      writeFileSync(join(folder, `.config/mosquitto_${tool}`), `-p ${port}\n`)
    return folder
  }
})
