"""The Messages API of Claude through the `anthropic` package, from 0.125 (which Home Assistant ships) to 2.x.

What differs between them is avoided: plain dicts, newer fields in `extra_body`, no sampling parameters, no
HTTP client of ours, answers by `to_dict`. Importing takes seconds and building the client reads certificates:
both happen in the executor, when something is to be explained for the first time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from homeassistant.core import HomeAssistant

from .core.diagnosis.explanation.explanation import Outcome
from .explainer_settings import AUTO, ClaudeSettings

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

TIMEOUT_S: Final = 60.0
MAX_RETRIES: Final = 2
"""After 408, 409, 429, 5xx and broken connections, with growing pauses; the package does it."""
_TEST_TOKENS: Final = 16
_TEST_SCHEMA: Final = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}


class ClaudeError(Exception):
    """Nothing came back that could be an answer."""

    def __init__(self, outcome: Outcome, reason: str, *, unbilled: bool = False) -> None:
        """Remember what it means; `unbilled`: the service refused the request, so it costs nothing."""
        super().__init__(reason)
        self.outcome = outcome
        self.unbilled = unbilled


class PackageBroken(ClaudeError):
    """The package cannot be imported, as after another version was installed beneath a running program."""


class Claude:
    """One account and model."""

    def __init__(self, hass: HomeAssistant, settings: ClaudeSettings) -> None:
        """Nothing is imported yet."""
        self._hass = hass
        self.settings = settings
        self._client: AsyncAnthropic | None = None

    def request(
        self,
        rules: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        more_calls: bool = True,
        max_tokens: int | None = None,
    ) -> dict[str, Any]:
        """Return a request as the package takes it."""
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(schema)}}
        if self.settings.effort != AUTO:
            output["effort"] = self.settings.effort
        found: dict[str, Any] = {
            "model": self.settings.model,
            "max_tokens": max_tokens or self.settings.max_tokens,
            "system": [{"type": "text", "text": rules, "cache_control": {"type": "ephemeral"}}],
            "messages": list(messages),
            "extra_body": {"output_config": output},
        }
        if tools:
            found["tools"] = list(tools)
            if not more_calls:
                found["tool_choice"] = {"type": "none"}
        return found

    async def send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request; returns the message, ClaudeError says why there is none."""
        client = await self._connect()
        import anthropic  # loaded by now

        try:
            message = await client.messages.create(**request)
            found: dict[str, Any] = message.to_dict(warnings=False)
        except anthropic.APIConnectionError as error:  # also a timeout
            raise ClaudeError(Outcome.UNREACHABLE, f"{self.settings.base_url} does not answer") from error
        except anthropic.APIStatusError as error:
            raise _refusal(error.status_code) from error
        except (anthropic.AnthropicError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            # No message: what the parsers of the package raise, bare text, or we closed it meanwhile.
            raise ClaudeError(Outcome.FAILED, "the service sent something that is no message") from error
        if not isinstance(found.get("content"), list):
            raise ClaudeError(Outcome.FAILED, "the service sent something that is no message")
        return found

    async def try_out(self) -> None:
        """Ask for almost nothing, in the same form as later; ClaudeError says what is wrong."""
        messages = [{"role": "user", "content": "Are you ready?"}]
        await self.send(self.request("Answer.", messages, _TEST_SCHEMA, max_tokens=_TEST_TOKENS))

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _connect(self) -> AsyncAnthropic:
        if self._client is None:
            try:
                self._client = await self._hass.async_add_executor_job(_make, self.settings)
            except ImportError as error:
                reason = f"the package anthropic cannot be loaded ({error}): restart Home Assistant"
                raise PackageBroken(Outcome.FAILED, reason, unbilled=True) from error
        return self._client


def bytes_of(request: Mapping[str, Any]) -> int:
    """Return the size of a request on the wire."""
    return len(json.dumps(request, ensure_ascii=False).encode())


def _make(settings: ClaudeSettings) -> AsyncAnthropic:
    # 2.x loads the resources when they are first used: by then another version may lie on the disk.
    import anthropic.resources.messages

    return anthropic.AsyncAnthropic(
        api_key=settings.api_key,
        base_url=settings.base_url,
        timeout=TIMEOUT_S,
        max_retries=MAX_RETRIES,
    )


def _refusal(status: int) -> ClaudeError:
    if status in (401, 403):
        return ClaudeError(Outcome.UNAUTHORISED, "the API key is not accepted", unbilled=True)
    if status == 429 or status >= 500:
        return ClaudeError(Outcome.UNREACHABLE, f"the service is busy or ill (HTTP {status})", unbilled=True)
    # Its own words may repeat what was sent, and are not ours to show.
    reason = f"the service does not take the request (HTTP {status}): check model, effort and address"
    return ClaudeError(Outcome.FAILED, reason, unbilled=True)
