"""What 2.x and 3.x have in common, through the package influxdb-client.

Importing it takes half a second and 30 MB: `connect` does so in the executor, and only for these servers.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException

from .answers import MAX_REASON, Answer, interpret
from .server import Access, Failed, Unauthorised, Unreachable, describe
from .tiers import Policy

_TIMEOUT_MS = 30_000


class Client:
    """One connection; belongs to the event loop it is made in."""

    def __init__(self, access: Access, generation: int) -> None:
        """Prepare; nothing is sent."""
        self.access = access
        self.generation = generation
        # Its annotations are incomplete.
        self._client: Any = InfluxDBClientAsync(
            access.url,
            access.token,
            org=access.organisation,
            timeout=_TIMEOUT_MS,
            # Without one it would make its own, which reads files in the event loop.
            ssl_context=access.tls if access.tls is not None else False,
            allow_redirects=False,
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        shape: type = dict,
    ) -> Any:
        """Ask the management; raises Unreachable, Unauthorised, and Failed also for another `shape`."""
        what = f"{self.access.url}: {method} {path}"
        try:
            told = await self._client.api_client.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": "application/json"},
                body=body,
                auth_settings=[],
                response_type="object",
                _return_http_data_only=True,
            )
        except ApiException as error:
            reason = interpret(self.generation, int(error.status or 0), _body(error)).reason
            kind = Unauthorised if error.status in {401, 403} else Failed
            raise kind(f"{what}: {reason}") from error
        except TimeoutError as error:
            raise Unreachable(f"{what}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{what}: {describe(error)}") from error
        if not isinstance(told, shape) and (told or method == "GET"):  # done without a word is done
            raise Failed(f"{what}: the answer is none of InfluxDB: {_text(told)[:MAX_REASON]}")
        return told

    async def write(self, policy: Policy, body: bytes) -> Answer:
        """Write lines."""
        try:
            # What the package's own `write` returns hides who answered, and what.
            told, status, _ = await self._client.api_client.call_api(
                "/api/v2/write",
                "POST",
                query_params=[
                    ("org", self.access.organisation),
                    ("bucket", policy.bucket),
                    ("precision", policy.precision),
                ],
                header_params={"Accept": "application/json", "Content-Type": "text/plain; charset=utf-8"},
                body=body,
                auth_settings=[],
                response_type="object",
                _return_http_data_only=False,
            )
        except ApiException as error:
            return interpret(self.generation, int(error.status or 0), _body(error))
        except TimeoutError as error:
            raise Unreachable(f"{self.access.url} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{self.access.url}: {describe(error)}") from error
        return interpret(self.generation, int(status), _text(told))

    async def close(self) -> None:
        """Close the session."""
        await self._client.close()


def _body(error: ApiException) -> str:
    return _text(error.body)


def _text(body: Any) -> str:
    if isinstance(body, bytes):
        return body.decode(errors="replace")
    return body if isinstance(body, str) else json.dumps(body)
