import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { connectBus } from '#bus/bus.ts'
import { startStack } from '#dev/harness/stack.ts'
import { createLogger } from '#lib/logger.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { startService } from '../start.ts'
import { Hass } from './hass.ts'
import { startHouse } from './house.ts'
import { installations, withoutHomeAssistant } from './install.ts'

const within = 120_000

/** Another robot, of which only the service for Home Assistant runs, directly at the Mosquitto of the house. */
async function joinAnotherRobot(t: TestContext, port: number): Promise<void> {
  const log = createLogger('test', { write: () => undefined })
  const options = {
    url: `mqtt://127.0.0.1:${port}`,
    prefix: 'rex',
    service: 'homeassistant',
    version: '0',
    log,
  }
  const bus = await connectBus(options)
  closeAfter(t, () => bus[Symbol.asyncDispose]())
  const service = await startService(t, bus, { log, prefix: 'rex' })
  closeAfter(t, () => service[Symbol.asyncDispose]())
}

for (const installation of installations()) {
  test(`Home Assistant ${installation.version} at a Mosquitto with the documented bridge`, {
    timeout: 600_000,
  }, async (t) => {
    await using stack = await startStack(
      {
        homeassistant: {
          ...{
            enabled: true,
            name: 'Rex',
            absent_after: 3,
            picture_every: 1,
            reachable_topic: 'wimz/reachable',
          },
          controls: ['overlay', 'treat'],
        },
        simulator: { enabled: true },
        vision: { source: { type: 'url', url: 'demo/clip.mp4', loop: true }, detector: { max_fps: 2 } },
      },
      { within },
    )
    const port = await startHouse(t, [{ stack, prefix: 'wimz' }])
    await using hass = await Hass.start(installation)
    await hass.addMqtt({ port, protocol: '5' })

    await t.test('the robot is there, with its picture', async () => {
      await hass.showing('binary_sensor.wimz_test_dog_present', ({ state }) => state === 'on')
      const picture = await hass.until('a picture', async () => {
        const response = await hass
          .request('/api/camera_proxy/camera.wimz_test_camera')
          .catch(() => undefined)
        return response && Buffer.from(await response.arrayBuffer())
      })
      assert.equal(picture.subarray(0, 3).toString('hex'), 'ffd8ff')
    })

    await t.test('ticked controls act, through the bridge', async () => {
      await hass.call('button', 'press', { entity_id: 'button.wimz_test_treat' })
      await hass.showing('sensor.wimz_test_treats_left', ({ state }) => state === '29')
      await hass.call('switch', 'turn_off', { entity_id: 'switch.wimz_test_overlay' })
      await hass.showing('switch.wimz_test_overlay', ({ state }) => state === 'off')
    })

    await t.test('a second robot has entities of its own', async () => {
      await joinAnotherRobot(t, port)
      await hass.showing('sensor.wimz_robot_06_storage_free', ({ state }) => Number(state) > 0)
      assert.notEqual((await hass.state('sensor.wimz_test_storage_free'))?.state, 'unavailable')
    })

    await t.test('a robot that is gone is unavailable, and comes back', async () => {
      await stack.kill('broker', within)
      await hass.showing('binary_sensor.wimz_test_dog_present', ({ state }) => state === 'on')
      await stack[Symbol.asyncDispose]()
      await hass.showing('camera.wimz_test_camera', ({ state }) => state === 'unavailable')
      await hass.showing('sensor.wimz_test_storage_free', ({ state }) => state === 'unavailable')
      assert.notEqual((await hass.state('sensor.wimz_robot_06_storage_free'))?.state, 'unavailable')
    })

    await t.test('it has no complaint', () => assert.deepEqual(hass.complaints(), []))
  })
}

test('Home Assistant is installed', { skip: withoutHomeAssistant() }, () => {
  assert.ok(installations().length > 0)
})
