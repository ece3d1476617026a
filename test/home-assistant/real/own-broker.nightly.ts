import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { CONTROLS } from '#commands/controls.ts'
import { startStack } from '#dev/harness/stack.ts'
import { ensurePassword } from '#lib/password-file.ts'
import { deviceDiscovery } from '#services/home-assistant/discovery.ts'
import { DeviceDiscovery } from '../schema.ts'
import { Hass, type State } from './hass.ts'
import { installations, withoutHomeAssistant } from './install.ts'

const within = 120_000
const { components } = DeviceDiscovery.parse(
  deviceDiscovery({ deviceId: 'wimz_test', name: 'Rex', prefix: 'wimz', controls: [...CONTROLS] }),
)
/** As docs/home-assistant.md names them. */
const IDS = Object.entries(components).map(([key, { platform }]) => `${platform}.wimz_test_${key}`)

interface Entity {
  entity_id: string
  entity_category: string | null
  platform: string
  name: string | null
  original_name: string
}

for (const installation of installations()) {
  for (const protocol of ['3.1.1', '5'] as const) {
    test(`Home Assistant ${installation.version} at the robot’s broker, MQTT ${protocol}`, {
      timeout: 600_000,
    }, async (t) => {
      await using stack = await startStack(
        {
          homeassistant: {
            ...{ enabled: true, name: 'Rex', absent_after: 3, picture_every: 1, controls: [...CONTROLS] },
          },
          simulator: { enabled: true },
          vision: { source: { type: 'url', url: 'demo/clip.mp4', loop: true }, detector: { max_fps: 2 } },
        },
        { within },
      )
      await using hass = await Hass.start(installation)
      const password = ensurePassword(dirname(stack.config), 'ha')
      await hass.addMqtt({ port: stack.brokerPort, username: 'ha', password, protocol })

      await t.test('every entity has the documented id, and the category of the device page', async () => {
        const registry = async () =>
          (await hass.ask<Entity[]>('config/entity_registry/list')).filter(
            ({ platform }) => platform === 'mqtt',
          )
        await hass.until('all entities', async () => (await registry()).length >= IDS.length)
        const found = await registry()
        assert.deepEqual(found.map(({ entity_id }) => entity_id).sort(), IDS.toSorted())
        for (const { entity_id, entity_category, original_name } of found) {
          const component = components[entity_id.split('wimz_test_')[1] ?? '']
          assert.equal(entity_category, component?.entity_category ?? null, entity_id)
          assert.equal(original_name, component?.name)
        }
        const devices = await hass.ask<{ name: string; manufacturer: string }[]>(
          'config/device_registry/list',
        )
        assert.ok(devices.some(({ name, manufacturer }) => name === 'Rex' && manufacturer === 'WIM-Z'))
      })

      await t.test('states are those of the robot', async () => {
        const bus = await stack.join('robot')
        await bus.publish(topics.telemetry, { voltage: 14.4, treats_remaining: 12 }, { source: 'battery' })
        await bus.publish(topics.telemetry, { mode: 'idle' }, { source: 'mode' })
        await hass.showing('binary_sensor.wimz_test_dog_present', ({ state }) => state === 'on')
        await hass.showing('sensor.wimz_test_battery', ({ state }) => Number(state) === 50)
        await hass.showing('sensor.wimz_test_treats_left', ({ state }) => state === '12')
        await hass.showing('select.wimz_test_mode', ({ state }) => state === 'idle')
        await hass.showing('binary_sensor.wimz_test_link', ({ state }) => state === 'on')
        await hass.showing('sensor.wimz_test_fps', ({ state }) => Number(state) > 0)
        await hass.showing('sensor.wimz_test_storage_free', ({ state }) => Number(state) > 0)
        const seen = await hass.showing('sensor.wimz_test_last_seen', isTime)
        assert.ok(Math.abs(Date.parse(seen.state) - Date.now()) < within)
        await bus.publish(topics.event, { loudness_db: -9 }, { name: 'bark' })
        const bark = await hass.showing('event.wimz_test_bark', isTime)
        assert.equal(bark.attributes.loudness_db, -9)
      })

      await t.test('the camera has a picture', async () => {
        const picture = await hass.until('a picture', async () => {
          const response = await hass
            .request('/api/camera_proxy/camera.wimz_test_camera')
            .catch(() => undefined)
          return response && Buffer.from(await response.arrayBuffer())
        })
        assert.equal(picture.subarray(0, 3).toString('hex'), 'ffd8ff')
        assert.ok(picture.length > 5_000)
      })

      await t.test('controls act', async () => {
        await hass.call('button', 'press', { entity_id: 'button.wimz_test_treat' })
        await hass.showing('sensor.wimz_test_treats_left', ({ state }) => state === '29')
        await hass.showing('event.wimz_test_command', ({ attributes }) => attributes.control === 'treat')
        await hass.call('switch', 'turn_off', { entity_id: 'switch.wimz_test_overlay' })
        await hass.showing('switch.wimz_test_overlay', ({ state }) => state === 'off')
        await hass.call('select', 'select_option', { entity_id: 'select.wimz_test_quality', option: 'low' })
        await hass.showing('select.wimz_test_quality', ({ state }) => state === 'low')
        // no service of this robot has modes
        await hass.call('select', 'select_option', { entity_id: 'select.wimz_test_mode', option: 'coach' })
        const failed = await hass.showing(
          'event.wimz_test_command',
          ({ attributes }) => attributes.control === 'mode',
        )
        assert.match(String(failed.attributes.error), /no service on this robot handles set_mode/)
      })

      await t.test('what is killed is unavailable, and comes back', async () => {
        const restarted = stack.kill('vision', within)
        await hass.showing('camera.wimz_test_camera', ({ state }) => state === 'unavailable')
        await restarted
        await hass.showing('camera.wimz_test_camera', isThere)
        await stack.kill('broker', within)
        await hass.showing('binary_sensor.wimz_test_dog_present', ({ state }) => state === 'on')
        await hass.showing('sensor.wimz_test_battery', isThere)
      })

      await t.test('a killed Home Assistant has everything again', async () => {
        await hass.kill()
        await hass.run()
        await hass.showing('binary_sensor.wimz_test_dog_present', ({ state }) => state === 'on')
        await hass.showing('sensor.wimz_test_treats_left', ({ state }) => Number(state) > 0)
        await hass.showing('camera.wimz_test_camera', isThere)
      })

      await t.test('neither side complains', () => {
        assert.deepEqual(complaints(hass), [])
        const denied = stack.lines.filter(({ msg }) => /denied/.test(String(msg)))
        assert.deepEqual(denied, [])
      })
    })
  }
}

test('Home Assistant is installed', { skip: withoutHomeAssistant() }, () => {
  assert.ok(installations().length > 0)
})

function isThere({ state }: State): boolean {
  return state !== 'unavailable'
}

function isTime({ state }: State): boolean {
  return !Number.isNaN(Date.parse(state))
}

/** Without those about the connection, which was cut. */
function complaints(hass: Hass): string[] {
  return hass.complaints().filter((line) => !/connect/i.test(line))
}
