/** What the doctor uses of this service. */
import { binary } from '#bus/topic.ts'

/** `homeassistant.reachable_topic` as the robot's broker has it. */
export function reachableTopic(name: string) {
  return binary(name, {
    qos: 1,
    retain: true,
    maxBytes: 100,
    unprefixed: true,
    from: 'a bridge',
    to: 'homeassistant',
    description: '`1` while the bridge is connected, else `0`.',
  })
}
