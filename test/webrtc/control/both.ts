import type { TestContext } from 'node:test'
import { topics } from '#bus/topics.ts'
import { collect } from '#dev/harness/collect.ts'
import type { Network, Place } from '#test/helpers/netns.ts'
import { startServiceProcess } from '../service-process.ts'

/** A robot and viewers in networks of their own. */
export async function openBoth(t: TestContext, network: Network, config: object = {}) {
  const into =
    (where: Place): Parameters<typeof startServiceProcess>[1] =>
    (program, args, given) =>
      network.spawn(where, program, args, given)
  const robot = await startServiceProcess(config, into('robot'))
  t.after(() => robot[Symbol.asyncDispose]())
  robot.camera.roll()
  const wish = await robot.openViewers(into('viewer'))
  const sessions = await collect(robot.bus, topics.sessions)
  const pair = async () => {
    const { payload } = await sessions.next({
      within: 10_000,
      where: ([one]) => Boolean(one?.candidate_pair),
    })
    return payload[0]
  }
  return { ...robot, wish, pair }
}
