"""Serves the page until it is ended; nothing of it is left then."""

import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from cagic_tf.demo import own_host
from cagic_tf.demo.croppers import Croppers
from cagic_tf.demo.visits import Visits
from cagic_tf.system import resources

_CSS = Path(__file__).parent / "page.css"
_LARGEST = "200mb"  # Of a photo's file.


class ServingError(Exception):
    """The page cannot be served; the message is one line."""


def serve(croppers: Croppers, host: str, port: int) -> None:
    """Serves the page until Ctrl-C or a signal to end, then ends the process; it needs Gradio.

    Args:
      croppers: What crops.
      host: Name or address that it listens on.
      port: Its port; 0: one that is free.

    Raises:
      ServingError: It cannot listen there.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with tempfile.TemporaryDirectory(prefix="cagic-demo-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve()
        own_host.ask_nobody()
        os.environ["GRADIO_TEMP_DIR"] = str(root / "uploads")  # Read while it is imported.
        import gradio as gr

        from cagic_tf.demo.page import Page

        visits = Visits(root)
        # What is in there is served from there, and not from copies that go with old uploads.
        gr.set_static_paths([visits.shown, resources.package_path("samples")])
        blocks = Page(croppers, visits).blocks
        address = _launch(blocks, host, port)
        print(f"Open {address} in a browser; Ctrl-C ends it.", flush=True)
        ended.wait()
    # At once: a search may be at work, which Python would wait for.
    sys.stdout.flush()
    os._exit(0)


def gone(request: Any, error: Exception) -> Any:
    """The answer where a visitor's file went while it was asked for; what raises else is raised."""
    from starlette.responses import PlainTextResponse

    if not str(error).startswith("File at path "):  # Starlette has no class for it.
        raise error
    return PlainTextResponse("The file is gone.", 404)


def _launch(blocks: Any, host: str, port: int) -> str:
    """Has Gradio listen; returns the page's address."""
    import gradio as gr
    from starlette.middleware import Middleware

    # Fonts of the visitor's own system.
    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}
    theme = gr.themes.Default(primary_hue="blue", **fonts)
    theme.set(block_info_text_color="*body_text_color")  # Its grey is too light to be read by all.
    try:
        # Gradio's server would find out late, and print it in words of its own.
        socket.create_server((host, port)).close()
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=port or None,
            prevent_thread_lock=True,
            quiet=True,
            ssr_mode=False,
            footer_links=[],
            max_file_size=_LARGEST,
            theme=theme,
            css_paths=[_CSS],
            app_kwargs={
                "middleware": [Middleware(own_host.OwnHostOnly)],
                "exception_handlers": {RuntimeError: gone},
            },
        )
    except OSError as error:
        raise ServingError(
            f"cannot listen on {host}, port {port or 'any'}: another program does, or this machine "
            "has no such address; give another --port or --host"
        ) from error
    return address.replace("//0.0.0.0:", "//localhost:")  # What browsers can open.
