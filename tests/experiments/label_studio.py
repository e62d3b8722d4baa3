"""Label Studio itself, from an environment of its own, and what docs/studies.md does with it.

It is started where `LABEL_STUDIO` names its program, or where one is on the PATH. It is no
dependency of this project: it has a hundred packages of its own.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

TOKEN = "0123456789abcdef0123456789abcdef01234567"
LOGIN = {"email": "researcher@example.org", "password": "only for this test"}
START_S = 300  # Two slow cores, and a database to make.


def program():
    """The program, or a skipped test."""
    found = os.environ.get("LABEL_STUDIO") or shutil.which("label-studio")
    if not found:
        pytest.skip(
            "Label Studio is missing: install it in an environment of its own and name its program "
            "by LABEL_STUDIO=ENVIRONMENT/bin/label-studio"
        )
    return found


class Server:
    """A running Label Studio.

    Attributes:
      url: Its address.
      root: The folder below which it serves files.
    """

    def __init__(self, url, root):
        """Args are the attributes."""
        self.url, self.root = url, root

    def get(self, path, token=TOKEN):
        """The content of an address."""
        return self._open(urllib.request.Request(self.url + path), token)

    def post(self, path, body):
        """Sends JSON, or the bytes of a file with JSON; returns what is answered."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method="POST")
        request.add_header("Content-Type", "application/json")
        return json.loads(self._open(request, TOKEN))

    def make(self, study):
        """A project of a study's folder; its number."""
        project = self.post("/api/projects", (study / "project.json").read_bytes())["id"]
        images = {"project": project, "path": str(study / "images")}
        self.post("/api/storages/localfiles", images)
        self.post(f"/api/projects/{project}/import", (study / "tasks.json").read_bytes())
        return project

    def tasks(self, project):
        """Number of each task in its study to its number in Label Studio."""
        found = json.loads(self.get(f"/api/tasks?project={project}&page_size=1000"))["tasks"]
        return {task["data"]["task"]: task["id"] for task in found}

    def person(self, name):
        """A new person; their number."""
        address = f"{name}@example.org"
        return self.post("/api/users/", {"email": address, "username": name})["id"]

    def answer(self, project, answered):
        """Sends simulated answers: number of a task in its study to its annotations."""
        tasks = self.tasks(project)
        for number, annotations in answered.items():
            for annotation in annotations:
                self.post(f"/api/tasks/{tasks[number]}/annotations/", annotation)

    def export(self, project, path):
        """Writes the export to a file; returns its path."""
        asked = "export?exportType=JSON&download_all_tasks=true"
        path.write_bytes(self.get(f"/api/projects/{project}/{asked}"))
        return path

    def _open(self, request, token):
        request.add_header("Authorization", f"Token {token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{request.full_url}: {error} {error.read()[:500]!r}") from error


@contextlib.contextmanager
def started(folder):
    """Label Studio with an empty database in a folder; it ends with the context."""
    root = folder / "studies"
    root.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
    }
    environment.pop("PYTHONPATH", None)  # Its environment is its own.
    command = [program(), "start", "--no-browser", "--internal-host", "127.0.0.1"]
    command += ["--port", str(port), "--user-token", TOKEN]
    command += ["--username", LOGIN["email"], "--password", LOGIN["password"]]
    log = folder / "log.txt"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    server = Server(f"http://127.0.0.1:{port}", root)
    try:
        _wait(server, process, log)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(server, process, log):
    for _ in range(START_S):
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            server.get("/api/projects")
            return
        except (OSError, AssertionError):  # Not yet; and its user is made last.
            time.sleep(1)
    raise AssertionError(f"Label Studio has not started in {START_S} s: {log.read_text()[-3000:]}")
