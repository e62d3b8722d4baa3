"""The page asks no host but its own: browsers are told to refuse whatever a library may add."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# Gradio's page has scripts and styles in its text, and makes functions of texts.
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; form-action 'self'; "
    "base-uri 'self'; object-src 'none'"
)
HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
# So that Gradio and the libraries below it ask nothing of the network by themselves.
_ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def ask_nobody() -> None:
    """Sets this process up to ask no other host; call it before Gradio is imported.

    Gradio asks itself whether it is there, and a proxy would be asked for that.
    """
    os.environ |= _ENVIRONMENT
    for name in _PROXIES:
        for spelt in (name, name.upper()):
            os.environ.pop(spelt, None)


class OwnHostOnly:
    """Adds `HEADERS` to each answer of an ASGI application."""

    def __init__(self, app: Callable[..., Awaitable[None]]):
        """Takes the application."""
        self._app = app

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Callable, send: Callable
    ) -> None:
        """Answers one request."""

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, send_with_headers)
