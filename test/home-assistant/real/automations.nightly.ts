import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { documentedAutomations, Hass } from './hass.ts'
import { installations, withoutHomeAssistant } from './install.ts'

for (const installation of installations()) {
  test(`Home Assistant ${installation.version} loads the automations of docs/home-assistant.md`, {
    timeout: 300_000,
  }, async () => {
    await using hass = await Hass.start(installation, documentedAutomations())
    const check = await hass.post<{ result: string; errors: unknown }>('/api/config/core/check_config', {})
    assert.deepEqual([check.result, check.errors], ['valid', null])
    for (const alias of [
      'on_the_sofa_for_5_minutes',
      'a_treat_at_noon_if_the_dog_was_seen',
      'the_robot_is_offline_for_10_minutes',
    ]) {
      await hass.showing(`automation.${alias}`, ({ state }) => state === 'on')
    }
    assert.doesNotMatch(hass.output, /(WARNING|ERROR).*automation/)
    const [program, ...args] = installation.command
    const script = spawnSync(program, [...args, '--script', 'check_config', '-c', hass.inside(hass.folder)], {
      encoding: 'utf8',
    })
    assert.equal(script.status, 0, script.stdout)
  })
}

test('Home Assistant is installed', { skip: withoutHomeAssistant() }, () => {
  assert.ok(installations().length > 0)
})
