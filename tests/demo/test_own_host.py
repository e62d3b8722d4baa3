"""Browsers are told to ask no other host, and libraries not to."""

import asyncio
import os

from cagic_tf.demo import own_host


def test_each_answer_has_the_headers():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"text"})

    async def keep(message):
        sent.append(message)

    asyncio.run(own_host.OwnHostOnly(app)({"type": "http"}, None, keep))
    headers = dict(sent[0]["headers"])
    assert headers[b"a"] == b"b" and sent[1] == {"type": "http.response.body", "body": b"text"}
    sources = headers[b"content-security-policy"].decode()
    assert (
        sources.startswith("default-src 'self' ") and "http" not in sources and "*" not in sources
    )


def test_neither_proxies_nor_analytics_are_asked(monkeypatch):
    monkeypatch.setattr(os, "environ", {"HTTP_PROXY": "a", "all_proxy": "b", "HOME": "/root"})
    own_host.ask_nobody()
    assert "HTTP_PROXY" not in os.environ and "all_proxy" not in os.environ
    assert os.environ["HOME"] == "/root" and os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
