import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import mqtt from 'mqtt'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { wake } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { projectAt, runScript, shellBlocks } from '#test/helpers/document.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { without, withoutJinja } from '#test/helpers/tools.ts'
import { render } from '#test/home-assistant/render.ts'
import { DeviceDiscovery } from '#test/home-assistant/schema.ts'

const TOPIC = 'homeassistant/device/wimz_test/config'
const within = 60_000

/** A template and a payload that were rendered before need no second process. */
function createRenderer(): (template: string, payload: Buffer) => string {
  const known = new Map<string, string>()
  return (template, payload) => {
    const key = `${template}\n${payload}`
    const text = known.get(key) ?? render(template, [payload])[0] ?? ''
    known.set(key, text)
    return text
  }
}

/** Follows topics as Home Assistant does: the newest payload of each, rendered when it is looked at. */
async function openHome(t: TestContext, { url, username, password }: Stack['login']) {
  const client = await mqtt.connectAsync(url, { username, password, reconnectPeriod: 100 })
  closeAfter(t, () => client.endAsync(true))
  const rendered = createRenderer()
  const newest = new Map<string, Buffer>()
  const wakers = new Set<() => void>()
  client.on('message', (topic, payload) => {
    newest.set(topic, payload)
    for (const wakeUp of wakers) wakeUp()
  })
  const until = async (what: string, done: () => boolean) => {
    for (const end = performance.now() + within; !done(); ) {
      const left = end - performance.now()
      if (left <= 0) throw new Error(`not so within ${within} ms: ${what}`)
      await wake(wakers, left)
    }
  }
  const payloadOf = async (topic: string) => {
    await client.subscribeAsync(topic, { qos: 1 })
    await until(topic, () => newest.has(topic))
    return newest.get(topic) ?? Buffer.alloc(0)
  }
  const { components } = DeviceDiscovery.parse(JSON.parse(String(await payloadOf(TOPIC))))
  const entity = (key: string) => {
    const found = components[key]
    if (!found) throw new Error(`no entity ${key}`)
    return found
  }
  const topicsOf = (key: string) => {
    const one = entity(key)
    const state = 'topic' in one ? one.topic : stateOf(key)?.topic
    return [...(state === undefined ? [] : [state]), ...(one.availability ?? []).map(({ topic }) => topic)]
  }
  const stateOf = (key: string) => {
    const one = entity(key)
    if (!('state_topic' in one) || one.state_topic === undefined) return undefined
    return { topic: one.state_topic, template: one.value_template ?? '' }
  }
  const isAvailable = ({
    topic,
    value_template = '',
  }: {
    topic: string
    value_template?: string | undefined
  }) => {
    const said = newest.get(topic)
    return said !== undefined && rendered(value_template, said) === 'online'
  }
  const shows = (key: string): string => {
    const { platform, availability = [] } = entity(key)
    if (!availability.every(isAvailable)) return 'unavailable'
    if (platform === 'camera') return 'idle'
    const state = stateOf(key)
    const said = state && newest.get(state.topic)
    return (said && rendered(state.template, said)) || 'unknown'
  }
  await client.subscribeAsync([...new Set(Object.keys(components).flatMap(topicsOf))], { qos: 1 })
  return {
    newest,
    payloadOf,
    use: (control: string, payload: string) =>
      client.publishAsync(`wimz/homeassistant/set/${control}`, payload),
    /** Waits until the entity shows this. */
    showing: (key: string, ...wanted: string[]) =>
      until(`${key} shows ${wanted}, not ${shows(key)}`, () => wanted.includes(shows(key))),
    until,
  }
}

test('Home Assistant shows a dog, pictures and viewers, and what is not there as unavailable', {
  skip: withoutJinja(),
  timeout: 180_000,
}, async (t) => {
  await using stack = await startStack({
    homeassistant: {
      ...{ enabled: true, absent_after: 3, picture_every: 1 },
      controls: ['overlay', 'quality', 'treat', 'restart'],
    },
    simulator: { enabled: true },
    vision: {
      source: { type: 'url', url: 'demo/clip.mp4', loop: true },
      detector: { max_fps: 2 },
      snapshot_fps: 0,
    },
  })
  const home = await openHome(t, stack.login)

  await t.test('every entity has a state, from real messages', async () => {
    const bus = await stack.join('robot')
    await bus.publish(topics.telemetry, { voltage: 14.4 }, { source: 'battery' })
    await home.showing('battery', '50.0')
    await home.showing('dog_present', 'ON')
    await home.showing('viewers', '0')
    await home.showing('link', 'ON')
    const seen = JSON.parse(String(await home.payloadOf('wimz/homeassistant/dog'))).last_seen
    await home.showing('last_seen', seen)
    assert.ok(Math.abs(Date.parse(seen) - Date.now()) < 120_000)
  })

  await t.test('the camera gets JPEGs, though vision.snapshot_fps is 0', async () => {
    const frames = await collect(await stack.join('pictures'), topics.frame)
    for (let i = 0; i < 2; i++) {
      const { payload } = await frames.next({ within })
      assert.equal(payload.subarray(0, 3).toString('hex'), 'ffd8ff')
      assert.equal(payload.subarray(-2).toString('hex'), 'ffd9')
    }
    await home.showing('camera', 'idle')
  })

  await t.test('controls act, and show it', async () => {
    await home.showing('overlay', 'ON')
    await home.use('overlay', 'OFF')
    await home.showing('overlay', 'OFF')
    await home.use('quality', 'low')
    await home.showing('quality', 'low')
    await home.use('treat', 'PRESS')
    await home.showing('treats_left', '29')
  })

  await t.test('restart brings the services back, with their settings of the start', async () => {
    const before = new Map(stack.pids)
    const again = ['vision', 'webrtc', 'relay-bridge'].map((service) =>
      stack.line((line) => line.service === service && line.msg === 'started', within),
    )
    await home.use('restart', 'PRESS')
    await Promise.all(again)
    for (const service of ['vision', 'webrtc', 'relay-bridge'])
      assert.notEqual(stack.pids.get(service), before.get(service))
    assert.equal(stack.pids.get('broker'), before.get('broker'))
    await home.showing('overlay', 'ON')
  })

  await t.test('a killed vision is unavailable by its last will, and comes back', async () => {
    const restarted = stack.kill('vision', within)
    await home.showing('camera', 'unavailable')
    await home.showing('dog_present', 'unavailable')
    await restarted
    await home.showing('camera', 'idle')
    await home.showing('dog_present', 'ON')
  })

  await t.test('a broker that comes back without memory is told everything again', async () => {
    home.newest.clear()
    await stack.kill('broker', within)
    const again = await openHome(t, stack.login)
    await again.showing('dog_present', 'ON')
    await again.showing('link', 'ON')
    await home.showing('dog_present', 'ON')
  })

  await t.test('a killed service of ours makes its own entities unavailable, the others stay', async () => {
    const restarted = stack.kill('homeassistant', within)
    await home.showing('dog_present', 'unavailable')
    await home.showing('camera', 'idle')
    await restarted
    await home.showing('dog_present', 'ON')
  })

  await t.test(
    'docs/home-assistant.md tells how to look at it and how to take it out',
    {
      skip: without('mosquitto_sub', 'mosquitto_pub'),
    },
    async () => {
      const [look, remove, ...more] = shellBlocks(
        'docs/home-assistant.md',
        'test/e2e/home-assistant.long.test.ts',
      )
      assert.ok(look && remove && more.length === 0)
      const cwd = robotFolder(t, stack)
      const env = { ...process.env, HOME: cwd }
      const looked = await runScript(look.script, { cwd, env })
      assert.equal(looked.code, 0, looked.output)
      assert.match(looked.output, /^homeassistant\/device\/wimz_test\/config \{.*"last_seen"/m)
      assert.match(looked.output, /^wimz\/homeassistant\/dog \{"present":/m)
      assert.match(looked.output, /^wimz\/homeassistant\/state \{"state":"online"/m)
      const removed = await runScript(remove.script.replace('wimz_robot_06', 'wimz_test'), { cwd, env })
      assert.equal(removed.code, 0, removed.output)
      await home.until('the device is gone', () => home.newest.get(TOPIC)?.length === 0)
    },
  )
})

/** The stack's folder as a person finds it who stands in the project; the clients know the port. */
function robotFolder(t: TestContext, { config, brokerPort }: Stack): string {
  const folder = temporaryFolder(t)
  projectAt(folder)
  symlinkSync(join(dirname(config), 'broker'), join(folder, 'data/broker'))
  mkdirSync(join(folder, '.config'))
  for (const tool of ['sub', 'pub'])
    writeFileSync(join(folder, `.config/mosquitto_${tool}`), `-p ${brokerPort}\n`)
  return folder
}
