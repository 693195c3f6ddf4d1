"""A stand-in for the Messages API of Claude: checks requests as the API does, answers by a script.

Without a script it answers any question about a fault with what the evidence in the request bears out. To try
it by hand: `python -m tests.integration.fake_messages 8765`, and its address as that of the service.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

KEY = "sk-a-secret-key"
SAMPLING = frozenset({"temperature", "top_p", "top_k"})
FIELDS = frozenset(
    {"max_tokens", "messages", "model", "output_config", "stream", "system", "tool_choice", "tools"}
)
VERSIONS = ("2023-06-01", "2026-10-21")
_EVIDENCE = re.compile(r"<evidence>(.*)</evidence>", re.DOTALL)


@dataclass
class Reply:
    """What is answered to one request."""

    body: Any
    status: int = 200
    wait_s: float = 0.0
    raw: bytes | None = None
    """Sent as it is instead of the body."""


def message(content: list[dict[str, Any]], stop: str = "end_turn", **usage: int) -> Reply:
    """Return a message of the assistant."""
    return Reply(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "fake",
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {
                "input_tokens": 1000,
                "output_tokens": 200,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                **usage,
            },
        }
    )


def says(answer: object, stop: str = "end_turn") -> Reply:
    """Return an answer in JSON, behind a block of a type that no package knows."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return message([{"type": "block_of_the_future", "x": 1}, {"type": "text", "text": text}], stop)


def asks(*calls: tuple[str, dict[str, Any]]) -> Reply:
    """Return a turn that uses tools."""
    return message(
        [
            {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}
            for number, (name, arguments) in enumerate(calls)
        ],
        "tool_use",
    )


def error(status: int, kind: str = "api_error", text: str = "no") -> Reply:
    """Return a refusal."""
    return Reply({"type": "error", "error": {"type": kind, "message": text}}, status)


@dataclass
class FakeMessages:
    """The service; what it was asked stands in `requests`."""

    script: list[Reply] = field(default_factory=list)
    """Answers of the next requests, in their order."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    """Of each request, with lower-case names."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    key: str = KEY

    def __post_init__(self) -> None:
        """Make the server."""
        self.server = TestServer(self.application())

    def application(self) -> web.Application:
        """Return what serves."""
        application = web.Application()
        application.add_routes([web.post("/v1/messages", self._messages)])
        return application

    @property
    def url(self) -> str:
        """Address."""
        return str(self.server.make_url("")).rstrip("/")

    async def _messages(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.json()
        self.requests.append(body)
        self.headers.append(headers)
        self.arrived.set()
        reply = self._refused(headers, body) or (self.script.pop(0) if self.script else explanation(body))
        if reply.wait_s:
            await asyncio.sleep(reply.wait_s)
        more = {"request-id": "req_1"}
        if reply.status in (429, 529):
            more["retry-after-ms"] = "1"
        if reply.raw is not None:
            return web.Response(body=reply.raw, status=reply.status, headers=more, content_type="text/html")
        return web.json_response(reply.body, status=reply.status, headers=more)

    def _refused(self, headers: Mapping[str, str], body: dict[str, Any]) -> Reply | None:
        """Say no as the API does."""
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if given != self.key:
            return error(401, "authentication_error", "invalid key")
        version = headers.get("anthropic-version")
        if version not in VERSIONS:
            return error(400, "invalid_request_error", "anthropic-version: unknown")
        known = FIELDS if version == VERSIONS[1] else FIELDS | SAMPLING
        for name in body.keys() - known:
            return error(400, "invalid_request_error", f"{name}: Extra inputs are not permitted")
        if not {"model", "max_tokens", "messages"} <= body.keys():
            return error(400, "invalid_request_error", "a field is missing")
        form = body.get("output_config", {}).get("format", {})
        if form and (form.get("type") != "json_schema" or form["schema"].get("additionalProperties", True)):
            return error(400, "invalid_request_error", "output_config.format: objects must be closed")
        asked: set[str] = set()
        for number, turn in enumerate(body["messages"]):
            if turn["role"] != ("user", "assistant")[number % 2]:
                return error(400, "invalid_request_error", "messages: roles must alternate")
            blocks = turn["content"] if isinstance(turn["content"], list) else []
            answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
            if answered != asked:
                return error(400, "invalid_request_error", "messages: a tool_use has no tool_result")
            asked = {block["id"] for block in blocks if block["type"] == "tool_use"}
        return None


def explanation(body: dict[str, Any]) -> Reply:
    """Answer a question about a fault with what its evidence bears out; anything else with a nod."""
    first = body["messages"][0]["content"]
    found = _EVIDENCE.search(first if isinstance(first, str) else "")
    if found is None:
        return says({"ready": True})
    told = json.loads(found[1])
    strongest = told["evidence"][0]
    return says(
        {
            "cause_id": told["choose_from"][0],
            "evidence": [strongest["id"]],
            "what_happened": f"{told['told_by']} told {told['code']}.",
            "where_did_it_begin": f"It began at {told['origin']['node']}.",
            "why": f"The {strongest['meaning']} was {abs(strongest['value'])} {strongest['unit']}".strip()
            + ".",
            "how_did_it_spread": "From " + " to ".join(told["path"]) + ".",
        }
    )


if __name__ == "__main__":
    web.run_app(FakeMessages().application(), host="127.0.0.1", port=int(sys.argv[1]))
