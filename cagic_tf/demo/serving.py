"""Serves the page until it is ended; nothing of it is left then."""

import os
import signal
import tempfile
import threading
from pathlib import Path

from cagic_tf.demo import own_host
from cagic_tf.demo.croppers import Croppers
from cagic_tf.demo.visits import Visits

_CSS = Path(__file__).parent / "page.css"
_LARGEST = "200mb"  # Of a photo's file.
_FONTS = ["system-ui", "sans-serif"]  # Those of the visitor's own system.


class ServingError(Exception):
    """The page cannot be served; the message is one line."""


def serve(croppers: Croppers, host: str, port: int) -> None:
    """Serves the page until Ctrl-C or a signal to end.

    Args:
      croppers: What crops.
      host: Name or address that it listens on.
      port: Its port; 0: one that is free.

    Raises:
      ServingError: Gradio is missing, or the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="cagic-demo-") as name:
        root = Path(name).resolve()
        # Gradio reads them while it is imported.
        os.environ |= {**own_host.ENVIRONMENT, "GRADIO_TEMP_DIR": str(root / "uploads")}
        try:
            import gradio as gr
        except ImportError as error:
            raise ServingError(
                f"the page needs Gradio ({error}): pip install 'cagic_tf[demo]'"
            ) from error
        from starlette.middleware import Middleware

        from cagic_tf.demo.page import Page

        visits = Visits(root)
        gr.set_static_paths([visits.shown])
        blocks = Page(croppers, visits).blocks
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        try:
            _, address, _ = blocks.launch(
                server_name=host,
                server_port=port or None,
                prevent_thread_lock=True,
                quiet=True,
                ssr_mode=False,
                footer_links=[],
                max_file_size=_LARGEST,
                theme=gr.themes.Default(primary_hue="blue", font=_FONTS, font_mono=["monospace"]),
                css_paths=[_CSS],
                app_kwargs={"middleware": [Middleware(own_host.OwnHostOnly)]},
            )
        except OSError as error:
            raise ServingError(
                f"cannot listen on {host}, port {port}: {error}; give another --port"
            ) from error
        print(f"Open {address} in a browser; Ctrl-C ends it.", flush=True)
        ended.wait()
        blocks.close(verbose=False)
