"""A stand-in for the operator's phone: what is pushed to it is shown as a notification of Home Assistant."""

from __future__ import annotations

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import voluptuous as vol
from aiohttp import web
from homeassistant.components import persistent_notification
from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv

PUSH_PATH: Final = "/api/microgrid_demo/push"
SHOWN_FOR: Final = timedelta(days=7)
"""How long the picture of a notification can be loaded."""
_MAX_BYTES: Final = 65_536
_PICTURE: Final = re.compile(r"/api/image_proxy/image\.[a-z0-9_]+", re.ASCII)
_LIMITS: Final = {"successful": 1, "maximum": 500, "errors": 0, "resetsAt": "2100-01-01T00:00:00.000Z"}

_PUSH = vol.Schema(
    {
        vol.Required("message"): cv.string,
        vol.Optional("title"): cv.string,
        vol.Optional("data", default=dict): vol.Schema(
            {
                vol.Optional("tag"): cv.string,
                vol.Optional("image"): cv.string,
                vol.Optional("actions", default=list): [
                    vol.Schema(
                        {vol.Required("title"): cv.string, vol.Optional("uri"): cv.string},
                        extra=vol.REMOVE_EXTRA,
                    )
                ],
            },
            extra=vol.REMOVE_EXTRA,
        ),
    },
    extra=vol.REMOVE_EXTRA,
)


class PushView(HomeAssistantView):
    """Stands where the push service of the apps would be; the lab listens on the loopback interface alone."""

    url = PUSH_PATH
    name = "api:microgrid_demo:push"
    requires_auth = False

    async def post(self, request: web.Request) -> web.Response:
        """Show a notification; one with the same tag takes the place of the earlier one."""
        hass = request.app[KEY_HASS]
        if (request.content_length or 0) > _MAX_BYTES:
            return self.json_message("it is too long", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            push = _PUSH(await request.json())
        except ValueError, vol.Invalid:
            return self.json_message("it is no notification", HTTPStatus.BAD_REQUEST)
        data = push["data"]
        persistent_notification.async_create(
            hass, as_markdown(hass, push["message"], data), push.get("title"), data.get("tag")
        )
        return self.json({"rateLimits": _LIMITS}, HTTPStatus.CREATED)


@callback
def as_markdown(hass: HomeAssistant, message: str, data: dict[str, Any]) -> str:
    """Return what a phone would show: the text, the picture, and buttons of which here the links work."""
    parts = [message]
    image = data.get("image", "")
    if _PICTURE.fullmatch(image) is not None:
        signed = async_sign_path(hass, image, SHOWN_FOR, use_content_user=True)
        parts.append(f"![Chart]({signed})")
    buttons = [
        f"[{action['title']}]({action['uri']})" if "uri" in action else action["title"]
        for action in data["actions"]
    ]
    if buttons:
        parts.append(" · ".join(buttons))
    return "\n\n".join(parts)


@callback
def async_find_phone(hass: HomeAssistant) -> None:
    """Let a phone of an earlier run push to the port of this one."""
    for entry in hass.config_entries.async_entries("mobile_app"):
        app = entry.data.get("app_data", {})
        if str(app.get("push_url", "")).endswith(PUSH_PATH):
            url = f"http://127.0.0.1:{hass.http.server_port}{PUSH_PATH}"
            data = {**entry.data, "app_data": {**app, "push_url": url}}
            hass.config_entries.async_update_entry(entry, data=data)
