import { reachableTopic } from '#services/home-assistant/checks.ts'
import type { CheckContext } from './check-context.ts'
import { type CheckResult, ok, reasonOf, warning } from './check-result.ts'

/** A retained message arrives with the subscription. */
const RETAINED_TIMEOUT_MS = 1_500

/** Whether something publishes `homeassistant.reachable_topic`: else every entity in Home Assistant stays unavailable. */
export async function checkHomeAssistant({ config, bus }: CheckContext): Promise<CheckResult[]> {
  const { enabled, reachable_topic: topic } = config.homeassistant ?? {}
  if (!enabled || typeof topic !== 'string' || !bus) return []
  const check = 'Home Assistant'
  const value = Promise.withResolvers<string | undefined>()
  const timer = setTimeout(() => value.resolve(undefined), RETAINED_TIMEOUT_MS)
  try {
    using _reachable = await bus.subscribe(reachableTopic(topic), (payload) =>
      value.resolve(payload.toString().slice(0, 20)),
    )
    const found = await value.promise
    if (found === '1') return [ok(check, `a bridge is connected: ${topic} is 1`)]
    if (found !== undefined)
      return [warning(check, `no bridge is connected: ${topic} is ${found}`, 'check the bridge, and its log')]
    const advice =
      'without a bridge set homeassistant.reachable_topic to null; with one set notifications_local_only false'
    return [warning(check, `nothing publishes ${topic}: all entities are unavailable`, advice)]
  } catch (err) {
    return [warning(check, `${topic}: ${reasonOf(err)}`, 'allow the user doctor to read it')]
  } finally {
    clearTimeout(timer)
  }
}
