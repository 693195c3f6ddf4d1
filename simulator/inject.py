"""Command line: `python -m simulator inject SCENARIO` plays a labelled fault in a running simulation."""

from __future__ import annotations

import argparse
import json
import os
import queue
import secrets
import sys
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from .arguments import PASSWORD_VARIABLE, broker, identifier
from .scenarios import SCENARIOS
from .twins import injection

_PATIENCE_S = 30.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator inject",
        description="Play a labelled fault at a cluster of a running simulation; prints what is true of it.",
    )
    add = parser.add_argument
    add("scenario", nargs="?", metavar="SCENARIO", help="such as F004.cooling; see --list")
    add("--list", action="store_true", help="print the names of all scenarios")
    add("--gateway", type=identifier, help="of the cluster; default: the first one that is free")
    add("--seed", type=int, help="equal seeds give equal faults; default: any")
    add(
        "--broker",
        type=broker,
        default=("127.0.0.1", 1883),
        metavar="HOST:PORT",
        help="default 127.0.0.1:1883",
    )
    add("--username", help=f"MQTT user; the password comes from {PASSWORD_VARIABLE}")
    add("--swarm", type=identifier, default="demo", help="name in the topics, default demo")
    return parser


def main(argv: list[str]) -> int:
    """Run; the exit code is 0 when it is played, 1 when it was refused or nobody answered."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(SCENARIOS))
        return 0
    if arguments.scenario is None:
        parser.error("which SCENARIO? --list prints them all")
    wish = {"id": secrets.token_hex(8), "scenario": arguments.scenario}
    wish |= {"gateway": arguments.gateway} if arguments.gateway is not None else {}
    wish |= {"seed": arguments.seed} if arguments.seed is not None else {}
    try:
        result = _ask(arguments, wish)
    except OSError as error:
        host, port = arguments.broker
        print(f"simulator: no broker answers at {host}:{port}: {error}", file=sys.stderr)
        return 1
    if result is None:
        print(f"simulator: no simulation of swarm {arguments.swarm} answers", file=sys.stderr)
        return 1
    if result.pop("ok") is not True:
        print(f"simulator: {result['reason']}", file=sys.stderr)
        return 1
    del result["id"]
    print(json.dumps(result, indent=2))
    return 0


def _ask(arguments: argparse.Namespace, wish: dict[str, Any]) -> dict[str, Any] | None:
    """Send a wish, wait for its answer; raises OSError without a broker."""
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    wanted = injection.topic(arguments.swarm, injection.INJECT)
    told = injection.topic(arguments.swarm, injection.RESULT)

    def heard(client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            answer = json.loads(message.payload)
        except ValueError:
            return
        if isinstance(answer, dict) and answer.get("id") == wish["id"]:
            answers.put(answer)

    client = Client(CallbackAPIVersion.VERSION2)
    if arguments.username is not None:
        client.username_pw_set(arguments.username, os.environ.get(PASSWORD_VARIABLE))
    client.on_message = heard
    client.on_connect = lambda client, *_: client.subscribe(told, 1)
    # Asked only when the answer would be heard.
    client.on_subscribe = lambda client, *_: client.publish(wanted, json.dumps(wish), 1)
    client.connect(*arguments.broker)
    client.loop_start()
    try:
        return answers.get(timeout=_PATIENCE_S)
    except queue.Empty:
        return None
    finally:
        client.disconnect()
        client.loop_stop()
