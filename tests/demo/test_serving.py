"""The page is served, or a line says why it cannot be."""

import socket
import urllib.request

import pytest

from cagic_tf.demo import serving
from tests import browser
from tests.demo import visitors

pytestmark = [pytest.mark.slow, browser.needed("gradio")]


def refused(folder, *arguments):
    """What the program prints, which does not serve; it leaves nothing behind."""
    with pytest.raises(AssertionError) as found:
        with visitors.serving("tests.demo.stand_in", folder, *arguments):
            pass
    assert list((folder / "temporary").iterdir()) == []
    return str(found.value)


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = refused(tmp_path, port)
    assert f"ServingError: cannot listen on 127.0.0.1, port {port}: another program" in said
    assert "ERROR" not in said


def test_an_address_of_another_machine(tmp_path):
    said = refused(tmp_path, "0", "203.0.113.7")  # Reserved for documentation.
    assert "ServingError: cannot listen on 203.0.113.7, port any: another program" in said
    assert "ERROR" not in said


def test_for_all_that_reach_this_machine(tmp_path):
    with visitors.serving("tests.demo.stand_in", tmp_path, "0", "0.0.0.0") as server:
        assert server.url.startswith("http://localhost:")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(server.url, timeout=60) as answer:
            assert b"Crop a photo to a sentence" in answer.read()
        assert server.end() == 0


def test_a_file_that_goes_while_it_is_asked_for_is_no_error_of_ours(tmp_path):
    from starlette.applications import Starlette
    from starlette.responses import FileResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    def other(request):
        raise RuntimeError("another")

    routes = [Route("/file", lambda request: FileResponse(tmp_path / "gone.jpg"))]
    routes.append(Route("/other", other))
    app = Starlette(routes=routes, exception_handlers={RuntimeError: serving.gone})
    client = TestClient(app)
    found = client.get("/file")
    assert (found.status_code, found.text) == (404, "The file is gone.")
    with pytest.raises(RuntimeError, match="another"):
        client.get("/other")
