import type { ISubscriptionMap, MqttClient } from 'mqtt'

/** Subscribes and resolves after the SUBACK, however long it takes. If the connection is lost before, it retries on the next one. */
export async function requestSubscription(
  client: MqttClient,
  { filter, qos, closing }: { filter: string; qos: 0 | 1; closing: () => boolean },
): Promise<void> {
  for (;;) {
    try {
      // without `resubscribe` MQTT.js reports success at once, with no SUBACK, for a filter that it has requested before
      await client.subscribeAsync({ [filter]: { qos }, resubscribe: true } as ISubscriptionMap)
      return
    } catch (err) {
      if (isDenied(err)) throw new Error(`subscription to ${filter} denied; check the rights of this user`)
      if (client.connected || closing()) throw err
      await new Promise<void>((resolve) => client.once('connect', () => resolve()))
    }
  }
}

/** A SUBACK with a failure: 0x80 [MQTT-3.9.3-1], or a reason of MQTT 5. */
function isDenied(err: unknown): boolean {
  const { packet } = err as { packet?: { granted?: number[] } }
  return packet?.granted?.some((code) => code >= 0x80) ?? false
}
