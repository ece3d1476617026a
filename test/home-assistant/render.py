"""Renders templates with JSON payloads as Home Assistant does: [[template, payload], ...] on stdin, a list of texts on stdout.

As MqttValueTemplate of Home Assistant: `value` is the payload, `value_json` is there only when that is JSON, the result
is stripped.
"""

import json
import sys

from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment()


def render(template, payload):
    variables = {"value": payload}
    try:
        variables["value_json"] = json.loads(payload)
    except ValueError:
        pass
    return environment.from_string(template).render(variables).strip()


json.dump([render(*pair) for pair in json.load(sys.stdin)], sys.stdout)
