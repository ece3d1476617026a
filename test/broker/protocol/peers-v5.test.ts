import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { until } from '#dev/harness/until.ts'
import { closeAfter } from '#test/helpers/close-after.ts'
import { without } from '#test/helpers/tools.ts'
import { startUsersBroker } from '../users-broker.ts'

/** Runs a program; its output as lines, and its exit code. */
function run(t: TestContext, program: string, args: string[], input?: string) {
  const child = spawn(program, args)
  closeAfter(t, () => child.kill('SIGKILL'))
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => lines.push(...String(text).trim().split('\n')))
  }
  child.stdin.end(input)
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  return { lines, exited }
}

for (const version of ['5', '311'] as const) {
  test(`mosquitto_sub and mosquitto_pub with version ${version}: messages, denied messages and filters`, {
    skip: without('mosquitto_sub', 'mosquitto_pub'),
  }, async (t) => {
    const { broker, connect } = await startUsersBroker(t)
    const port = ['-p', String(broker.port), '-V', version === '5' ? 'mqttv5' : 'mqttv311']
    const filters = ['-t', 'wimz/event/+', '-t', '$refused/x', '-q', '1']
    const properties = version === '5' ? ['-F', '%t %p %E %P'] : ['-F', '%t %p']
    const observer = run(t, 'mosquitto_sub', [...port, ...filters, ...properties])
    const probe = await connect()
    await until(
      async () => {
        await probe.publishAsync('wimz/event/ping', '', { qos: 1 })
        return observer.lines.some((line) => line.startsWith('wimz/event/ping'))
      },
      { show: () => observer.lines },
    )
    const more =
      version === '5'
        ? ['-D', 'publish', 'user-property', 'k', 'v', '-D', 'publish', 'message-expiry-interval', '60']
        : []
    const publisher = run(t, 'mosquitto_pub', [
      ...port,
      '-t',
      'wimz/event/bark',
      '-m',
      'hello',
      '-q',
      '1',
      ...more,
    ])
    assert.equal(await publisher.exited, 0)
    await until(() => observer.lines.some((line) => line.startsWith('wimz/event/bark hello')), {
      show: () => observer.lines,
    })
    if (version === '5')
      assert.ok(
        observer.lines.some((line) => /bark hello (60|59) k:v/.test(line)),
        observer.lines.join('\n'),
      )
    const denied = run(t, 'mosquitto_pub', [...port, '-t', 'wimz/command/x', '-m', '{}', '-q', '1', '-d'])
    await denied.exited
    assert.equal(broker.totals.publish_refused, 1)
    if (version === '5') assert.match(denied.lines.join('\n'), /RC:135|Not authorized/)
    assert.deepEqual(
      observer.lines.filter((line) => line.includes('command')),
      [],
    )
  })
}

const PAHO = `
import sys, paho.mqtt.client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.subscribeoptions import SubscribeOptions
port = int(sys.argv[1])
args = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, 'CallbackAPIVersion') else []
client = mqtt.Client(*args, client_id='paho', protocol=mqtt.MQTTv5)
def say(*words): print(*words, flush=True)
def on_connect(c, userdata, flags, reason, properties):
  say('connected', str(reason), flags['session present'], getattr(properties, 'SharedSubscriptionAvailable', None))
  sub = Properties(PacketTypes.SUBSCRIBE); sub.SubscriptionIdentifier = 9
  c.subscribe([('wimz/event/+', SubscribeOptions(qos=2, noLocal=False)), ('$share/g/wimz/event/+', SubscribeOptions(qos=1)), ('$refused', SubscribeOptions(qos=1))], properties=sub)
def on_subscribe(c, userdata, mid, reasons, properties):
  say('subscribed', *[r.value for r in reasons])
  pub = Properties(PacketTypes.PUBLISH); pub.UserProperty = [('a', '1'), ('b', '2'), ('a', '3')]; pub.MessageExpiryInterval = 30
  c.publish('wimz/event/x', 'hello', qos=2, properties=pub)
def on_message(c, userdata, message):
  p = message.properties
  say('message', message.topic, message.payload.decode(), message.qos, p.UserProperty, p.SubscriptionIdentifier, p.MessageExpiryInterval)
  c.disconnect()
client.on_connect = on_connect; client.on_subscribe = on_subscribe; client.on_message = on_message
connect = Properties(PacketTypes.CONNECT); connect.SessionExpiryInterval = 60; connect.ReceiveMaximum = 1
client.connect('127.0.0.1', port, clean_start=True, properties=connect)
client.loop_forever()
`

test('paho with MQTT 5: reasons, identifiers, user properties and expiry', {
  skip: without('python3'),
}, async (t) => {
  const probe = run(t, 'python3', ['-c', 'import paho.mqtt.client'])
  if ((await probe.exited) !== 0) return t.skip('python3-paho-mqtt is not installed')
  const { broker } = await startUsersBroker(t)
  const { lines, exited } = run(t, 'python3', ['-', String(broker.port)], PAHO)
  assert.equal(await exited, 0, lines.join('\n'))
  assert.deepEqual(
    lines.filter((line) => !line.includes('Deprecat')),
    [
      'connected Success 0 0',
      'subscribed 2 158 135',
      "message wimz/event/x hello 2 [('a', '1'), ('b', '2'), ('a', '3')] [9] 30",
    ],
  )
})
