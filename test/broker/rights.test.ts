import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topics } from '#bus/topics.ts'
import { startUsersBroker, TESTER } from './users-broker.ts'

/** `local` is a client on this machine without user name. */
const USERS = [
  'relay-bridge',
  'webrtc',
  'vision',
  'homeassistant',
  'health',
  'metrics',
  'doctor',
  'local',
] as const

/** p: may publish, s: may subscribe; in the order of USERS. */
const TABLE = `
wimz/relay-bridge/state          p   -   s   s   s   s   s   s
wimz/webrtc/state                -   p   s   s   s   s   s   s
wimz/vision/state                s   s   ps  s   s   s   s   s
wimz/homeassistant/state         -   -   s   ps  s   s   s   s
wimz/broker/state                -   -   s   s   s   s   s   s
wimz/motors/state                -   -   s   s   s   s   s   s
wimz/metrics/state               -   -   s   s   s   ps  s   s
wimz/metrics/metrics             -   -   -   -   -   ps  -   s
wimz/metrics/vision              -   -   p   -   -   s   -   s
wimz/metrics/webrtc              -   p   -   -   -   s   -   s
wimz/metrics/relay-bridge        p   -   -   -   -   s   -   s
wimz/relay-bridge/link           p   -   -   s   -   -   s   s
wimz/signaling/request           p   s   -   -   -   -   -   s
wimz/signaling/offer             s   p   -   -   -   -   -   s
wimz/signaling/answer            p   s   -   -   -   -   -   s
wimz/signaling/candidate/local   s   p   -   -   -   -   -   s
wimz/signaling/candidate/remote  p   s   -   -   -   -   -   s
wimz/signaling/close             p   s   -   -   -   -   -   s
wimz/signaling/closed            s   p   -   -   -   -   -   s
wimz/signaling/error             s   p   -   -   -   -   -   s
wimz/webrtc/sessions             s   p   -   s   -   -   -   s
wimz/video/high                  -   s   p   -   -   -   -   s
wimz/video/high/vp8              -   s   p   -   -   -   -   s
wimz/video/high/keyframe         -   p   s   -   -   -   -   s
wimz/video/demand/webrtc         -   p   s   -   -   -   -   s
wimz/video/demand/debug          -   -   s   -   -   -   -   ps
wimz/video/demand/recorder       -   -   s   -   -   -   -   s
wimz/vision/detections           -   -   p   s   -   -   -   s
wimz/vision/track                -   -   p   s   -   -   -   s
wimz/vision/frame                -   -   p   s   -   -   s   s
wimz/vision/frame/request        -   -   s   -   -   -   p   s
wimz/command/treat               ps  ps  s   -   -   -   -   s
wimz/command/motor               ps  ps  s   -   -   -   -   s
wimz/command-result              s   ps  p   -   -   -   -   ps
wimz/event/bark                  s   -   p   s   -   -   -   ps
wimz/event/of/two/levels         -   -   -   -   -   -   -   ps
wimz/telemetry/battery           s   -   -   s   -   -   -   ps
wimz/telemetry/mode              s   -   s   s   -   -   -   ps
wimz/cloud/profiles              p   -   s   -   -   -   -   s
wimz/cloud/user_connected        p   -   -   -   -   -   -   s
wimz/+/state                     -   -   s   s   s   s   s   s
wimz/video/+                     -   s   -   -   -   -   -   s
wimz/event/+                     s   -   -   s   -   -   -   s
wimz/event/#                     -   -   -   -   -   -   -   s
wimz/command/+                   s   s   s   -   -   -   -   s
wimz/#                           -   -   -   -   -   -   -   s
+/+                              -   -   -   -   -   -   -   s
#                                -   -   -   -   -   -   -   s
homeassistant/status             -   -   -   ps  -   -   -   s
homeassistant/sensor/dog/config  -   -   -   p   -   -   -   s
other/webrtc/state               -   -   -   -   -   -   -   s
$SYS/broker/uptime               -   -   -   -   -   -   -   s
$SYS/#                           -   -   -   -   -   -   -   s
`

function rows() {
  return TABLE.trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([topic = '', ...rights]) => ({ topic, rights }))
}

test('the table knows every topic', () => {
  for (const { pattern, match } of Object.values(topics)) {
    assert.ok(
      rows().some(({ topic }) => match(topic.replace(/^wimz\//, ''))),
      pattern,
    )
  }
})

test('each user may publish what the table says and nothing else, and goes on after a refusal', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  const observer = await connect(TESTER)
  const heard = new Set<string>()
  const end = Promise.withResolvers<void>()
  observer.on('message', (topic, payload) => {
    heard.add(`${topic} ${payload}`)
    if (topic === 'end') end.resolve()
  })
  await observer.subscribeAsync(['#', '$SYS/#'], { qos: 1 })
  const names = rows().filter(({ topic }) => !/[+#]/.test(topic))
  for (const user of USERS) {
    const client = await connect(user === 'local' ? undefined : user)
    for (const { topic } of names) await client.publishAsync(topic, `from ${user}`, { qos: 1 })
    assert.ok(client.connected, user)
  }
  await observer.publishAsync('end', '', { qos: 1 })
  await end.promise
  let refused = 0
  for (const { topic, rights } of names) {
    for (const [i, user] of USERS.entries()) {
      const allowed = rights[i]?.includes('p') ?? false
      if (!allowed) refused++
      assert.equal(heard.has(`${topic} from ${user}`), allowed, `${user} publishes ${topic}`)
    }
  }
  assert.equal(broker.totals.publish_refused, refused)
})

test('each user may subscribe to what the table says, all else is refused with 0x80', async (t) => {
  const { broker, connect } = await startUsersBroker(t)
  let refused = 0
  for (const [i, user] of USERS.entries()) {
    const client = await connect(user === 'local' ? undefined : user)
    for (const { topic, rights } of rows()) {
      const allowed = rights[i]?.includes('s') ?? false
      if (!allowed) refused++
      const granted = await client.subscribeAsync(topic, { qos: 1 }).then(
        () => 1,
        (err) => err.packet.granted[0],
      )
      assert.equal(granted, allowed ? 1 : 0x80, `${user} subscribes to ${topic}`)
    }
    assert.ok(client.connected, user)
  }
  assert.equal(broker.totals.subscribe_refused, refused)
})
