import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testsByStatement } from './conformance.ts'
import { MQTT_3 } from './statements-v3.ts'
import { MQTT_5 } from './statements-v5.ts'

for (const conformance of [MQTT_3, MQTT_5]) {
  test(`each normative statement of MQTT ${conformance.version} has a test, or a reason why not`, () => {
    const { statements, outOfScope } = conformance
    const tested = testsByStatement(conformance)
    const without = statements.filter((id) => !tested.has(id) && !(id in outOfScope))
    assert.deepEqual(without, [])
    const both = Object.keys(outOfScope).filter((id) => tested.has(id))
    assert.deepEqual(both, [], 'out of scope, and tested')
    const named = [...tested.keys(), ...Object.keys(outOfScope)]
    assert.deepEqual(
      named.filter((id) => !statements.includes(id)),
      [],
      'not in appendix B',
    )
  })
}
