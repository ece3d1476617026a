#!/usr/bin/env python3
"""A treat dispenser as a service of the robot: docs/adding-a-service.md.

BUS_HOST, BUS_PORT, BUS_USER and BUS_PASSWORD configure the connection; on the robot itself none of them is needed.
"""
import json
import os
import queue
import signal
import threading
import time

import paho.mqtt.client as mqtt

PREFIX = os.environ.get("BUS_PREFIX", "wimz")
NAME = "treats"
COMMANDS = ("treat", "dispense_treat")
user = os.environ.get("BUS_USER")

# a treat takes a second, and the network loop must not wait for it
orders = queue.Queue(maxsize=8)
done = {}  # id of a command -> its result: a command that is delivered twice is carried out once
left, today = 30, 0


def turn_carousel():
    """Dispenses one treat. Here goes the GPIO of your carousel."""
    time.sleep(0.2)


def dispense(params):
    global left, today
    count = params.get("count", 1)
    if not isinstance(count, int) or not 1 <= count <= 10:
        return {"success": False, "error": "count must be 1 to 10"}
    if left < count:
        return {"success": False, "error": f"only {left} treats are left"}
    for _ in range(count):
        turn_carousel()
    left, today = left - count, today + count
    return {"success": True, "remaining": left}


def publish(topic, message, retain=False, qos=1):
    client.publish(f"{PREFIX}/{topic}", json.dumps(message), qos=qos, retain=retain)


def answer(command, result):
    publish("command-result", {"id": command["id"], "name": command["name"], **result})


def work():
    while True:
        command = orders.get()
        try:
            result = dispense(command["params"])
        except Exception as problem:  # a jam is reported, and does not end the service
            result = {"success": False, "error": str(problem)}
        done[command["id"]] = result
        while len(done) > 100:
            del done[next(iter(done))]
        answer(command, result)
        if result["success"]:
            count = command["params"].get("count", 1)
            publish("event/treat_dispensed", {"count": count, "remaining": left, "treats_today": today})
            publish("telemetry/treats", {"treats_remaining": left}, retain=True, qos=0)


def on_connect(client, userdata, flags, code, properties=None):
    # here, not once at the start: a broker that was restarted has forgotten the subscriptions
    client.subscribe([(f"{PREFIX}/command/{name}", 1) for name in COMMANDS])
    if user:
        publish(f"{NAME}/state", {"state": "online", "version": "1", "since": int(time.time() * 1000)}, retain=True)


def on_message(client, userdata, message):
    try:
        command = json.loads(message.payload)
        command["name"], command["params"].get("count")
        if not isinstance(command["id"], str):
            raise TypeError("id is not text")
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        print(f"invalid command: {problem}", flush=True)
        return
    if message.retain:
        return  # an old command
    if command["id"] in done:  # delivered twice, perhaps before the first one was carried out
        if done[command["id"]]:
            answer(command, done[command["id"]])
        return
    done[command["id"]] = None
    try:
        orders.put_nowait(command)
    except queue.Full:
        del done[command["id"]]
        answer(command, {"success": False, "error": "too many treats are waiting"})


# paho-mqtt 2 requires a version of its callbacks; Debian 12 has 1.6
version = getattr(mqtt, "CallbackAPIVersion", None)
client = mqtt.Client(version.VERSION2, NAME) if version else mqtt.Client(NAME)
client.on_connect, client.on_message = on_connect, on_message
if user:
    client.username_pw_set(user, os.environ.get("BUS_PASSWORD"))
    offline = {"state": "offline", "version": "1", "since": int(time.time() * 1000)}
    client.will_set(f"{PREFIX}/{NAME}/state", json.dumps(offline), qos=1, retain=True)
client.reconnect_delay_set(1, 3)
threading.Thread(target=work, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: exit())
client.connect_async(os.environ.get("BUS_HOST", "127.0.0.1"), int(os.environ.get("BUS_PORT", "1883")), keepalive=10)
client.loop_forever(retry_first_connection=True)
