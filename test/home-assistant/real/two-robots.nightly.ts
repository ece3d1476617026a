import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import { startMosquitto } from '#dev/harness/mosquitto.ts'
import { freePorts } from '#dev/harness/ports.ts'
import { type Stack, startStack } from '#dev/harness/stack.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { temporaryFolder } from '#test/helpers/folder.ts'
import { Hass } from './hass.ts'
import { startHouse } from './house.ts'
import { installations, withoutHomeAssistant } from './install.ts'

const within = 120_000
const NAMES = ['Rex', 'Bella'] as const
const CONTROLS = ['overlay', 'privacy', 'treat', 'stop']

/** A robot that needs little of the machine. Its prefix and id are its name. */
async function startRobot(t: TestContext, name: string, url?: string): Promise<Stack> {
  const prefix = name.toLowerCase()
  const stack = await startStack(
    {
      homeassistant: {
        ...{ enabled: true, name, picture_every: 1, controls: CONTROLS },
        reachable_topic: url === undefined ? `${prefix}/reachable` : null,
      },
      bus: { prefix, ...(url !== undefined && { url }) },
      ...(url !== undefined && { broker: { enabled: false } }),
      cloud: { device_id: `wimz_${prefix}` },
      simulator: { enabled: true },
      vision: { source: { type: 'synthetic' }, detector: { enabled: false } },
    },
    { within },
  )
  closeAfter(t, () => stack[Symbol.asyncDispose]())
  return stack
}

/** Both robots are clients of one broker. */
async function atOneBroker(t: TestContext) {
  const [port = 0] = await freePorts(1)
  const conf = `listener ${port} 127.0.0.1\nallow_anonymous true`
  const mosquitto = await startMosquitto(temporaryFolder(t), port, conf)
  closeAfter(t, () => mosquitto[Symbol.asyncDispose]())
  const stacks: Stack[] = []
  for (const name of NAMES) stacks.push(await startRobot(t, name, `mqtt://127.0.0.1:${port}`))
  return { port, stacks }
}

/** Each has a broker of its own, and the house's Mosquitto a bridge to each. */
async function atTwoBrokers(t: TestContext) {
  const stacks: Stack[] = []
  for (const name of NAMES) stacks.push(await startRobot(t, name))
  const robots = stacks.map((stack, index) => ({ stack, prefix: NAMES[index]?.toLowerCase() ?? '' }))
  return { port: await startHouse(t, robots), stacks }
}

for (const installation of installations()) {
  for (const [way, start] of Object.entries({ 'one broker': atOneBroker, 'two brokers': atTwoBrokers })) {
    test(`Home Assistant ${installation.version} with two robots at ${way}`, {
      timeout: 600_000,
    }, async (t) => {
      const { port, stacks } = await start(t)
      const [, bella] = stacks
      await using hass = await Hass.start(installation)
      await hass.addMqtt({ port, protocol: '5' })

      await t.test('each is a device with entities and a picture of its own', async () => {
        for (const name of NAMES) {
          const id = `wimz_${name.toLowerCase()}`
          await hass.showing(`sensor.${id}_storage_free`, ({ state }) => Number(state) > 0)
          await hass.showing(`switch.${id}_overlay`, ({ state }) => state === 'on')
          await hass.until('a picture', async () => {
            const response = await hass
              .request(`/api/camera_proxy/camera.${id}_camera`)
              .catch(() => undefined)
            const picture = response && Buffer.from(await response.arrayBuffer())
            return picture?.subarray(0, 3).toString('hex') === 'ffd8ff'
          })
        }
        const devices = await hass.ask<{ name: string; manufacturer: string }[]>(
          'config/device_registry/list',
        )
        const ours = devices.filter(({ manufacturer }) => manufacturer === 'WIM-Z').map(({ name }) => name)
        assert.deepEqual(ours.sort(), [...NAMES].sort())
        const entities = await hass.ask<{ entity_id: string }[]>('config/entity_registry/list')
        const suffixed = entities.filter(({ entity_id }) => /_\d+$/.test(entity_id))
        assert.deepEqual(suffixed, [], 'no id of one robot is taken by the other')
      })

      await t.test('controls reach their robot alone', async () => {
        assert.ok(bella)
        const bus = await bella.join('watcher')
        const commands = await collect(bus, topics.command)
        await hass.call('button', 'press', { entity_id: 'button.wimz_rex_treat' })
        await hass.showing('sensor.wimz_rex_treats_left', ({ state }) => state === '29')
        await hass.call('switch', 'turn_on', { entity_id: 'switch.wimz_rex_privacy' })
        await hass.showing('switch.wimz_rex_privacy', ({ state }) => state === 'on')
        await hass.call('switch', 'turn_off', { entity_id: 'switch.wimz_bella_overlay' })
        await hass.showing('switch.wimz_bella_overlay', ({ state }) => state === 'off')
        assert.deepEqual(
          commands.all.map(({ payload }) => payload.name),
          ['set_overlay'],
        )
        assert.equal((await hass.state('switch.wimz_rex_overlay'))?.state, 'on')
        assert.equal((await hass.state('switch.wimz_bella_privacy'))?.state, 'off')
        await hass.call('switch', 'turn_off', { entity_id: 'switch.wimz_rex_privacy' })
        await hass.showing('switch.wimz_rex_privacy', ({ state }) => state === 'off')
      })

      await t.test('one that is gone is unavailable, the other stays', async () => {
        await bella?.[Symbol.asyncDispose]()
        await hass.showing('camera.wimz_bella_camera', ({ state }) => state === 'unavailable')
        await hass.showing('sensor.wimz_bella_storage_free', ({ state }) => state === 'unavailable')
        assert.notEqual((await hass.state('camera.wimz_rex_camera'))?.state, 'unavailable')
        assert.notEqual((await hass.state('sensor.wimz_rex_storage_free'))?.state, 'unavailable')
      })

      await t.test('it has no complaint', () => assert.deepEqual(hass.complaints(), []))
    })
  }
}

test('Home Assistant is installed', { skip: withoutHomeAssistant() }, () => {
  assert.ok(installations().length > 0)
})
