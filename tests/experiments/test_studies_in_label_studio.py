"""The three studies in Label Studio itself: by its API, and by a person's browser."""

import json
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest
from cagic_tf.batch.records import Record
from experiments.studies import captions, choices, crops
from tests import browser
from tests.experiments import commands, label_studio
from tests.experiments import simulated_people as people

pytestmark = pytest.mark.slow

SIZE = (480, 320)
BOXES = {"CAGIC": [40, 40, 300, 200], "GradCAM": [0, 0, 480, 160], "MAttNet": [200, 100, 90, 60]}
LEFT, ACROSS = (0, 0, 240, 320), (120, 0, 240, 320)  # Their IoU is 1 / 3.


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with label_studio.started(tmp_path_factory.mktemp("label_studio")) as running:
        yield running


@pytest.fixture(scope="module")
def rows(server):
    """Three photos, their captions and the crops of three methods, beside the studies."""
    folder = server.root.parent / "photos"
    folder.mkdir()
    lines = []
    for at in range(3):
        pixels = np.random.default_rng(at).integers(0, 256, (8, 12, 3), dtype=np.uint8)
        photo = Image.fromarray(pixels).resize(SIZE)
        photo.save(folder / f"photo {at}.jpg")
        lines.append({"id": f"row{at}", "image": f"photo {at}.jpg", "caption": f"a dog & {at}"})
    for method, box in BOXES.items():
        found = [Record(*line.values(), "ok", box=box) for line in lines]
        commands.write_results(folder / method, *found)
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def make(server, rows, script, name, methods=()):
    """Makes a study and its project; the study's folder and the project's number."""
    study = server.root / name
    flags = [f"--results={method}={rows.parent / method}" for method in methods]
    commands.call(script, f"--manifest={rows}", f"--study={study}", *flags)
    return study, server.make(study)


def read(server, study, project, script):
    """Exports a project and reads it back; the folder of the results."""
    export = server.export(project, study / "export.json")
    commands.call(script, f"--study={study}", f"--export={export}")
    return study / "results"


def test_crops(server, rows):
    study, project = make(server, rows, crops, "crops")
    persons = [server.person(f"crops{at}") for at in range(3)]
    kept = json.loads(server.get(f"/api/projects/{project}"))
    assert kept["maximum_annotations"] == 8 and kept["sampling"] == "Sequential sampling"
    for data in people.tasks_of(study):
        name = urllib.parse.unquote(data["image"]).rpartition("/")[2]
        assert server.get(data["image"]) == (study / "images" / name).read_bytes()
    boxes = dict(zip(persons, (LEFT, ACROSS, LEFT), strict=True))
    answered = {
        task["task"]: [
            people.annotation(person, people.rectangle_of(box, SIZE))
            for person, box in boxes.items()
        ]
        for task in people.key_of(study)
    }
    lost = people.key_of(study)[2]
    answered[3][1] = people.annotation(persons[1], skipped=True)
    server.answer(project, answered)
    out = read(server, study, project, crops)
    found = manifest.read(out / "manifest.jsonl")
    assert [row.crops for row in found] == [(LEFT, ACROSS, LEFT)] * 2
    assert lost["id"] not in [row.id for row in found]
    assert f"Annotator {persons[1]}, skipped: {lost['id']}." in (out / "table.md").read_text()
    every = commands.table_of(out)[3]
    assert every["annotators"] == "every two of 3"
    assert float(every["mean IoU"]) == pytest.approx(5 / 9)


def test_captions_are_seen_once_and_in_our_order(server, rows):
    study, project = make(server, rows, captions, "captions", ["CAGIC", "GradCAM"])
    seen = []
    for _ in people.key_of(study):
        task = json.loads(server.get(f"/api/projects/{project}/next"))
        seen.append(task["data"]["task"])
        said = people.text(f"picture {seen[-1]}")
        # Who is logged in has made it.
        body = people.annotation(1, said)
        del body["completed_by"]
        server.post(f"/api/tasks/{task['id']}/annotations/", body)
    assert seen == [1, 2, 3, 4, 5, 6]
    with pytest.raises(AssertionError, match="404"):  # No crop twice.
        server.get(f"/api/projects/{project}/next")
    out = read(server, study, project, captions)
    lines = (out / "captions.csv").read_text().splitlines()
    known = people.key_of(study)
    assert lines == ["method,id,caption,annotator"] + [
        f"{task['method']},{task['id']},picture {task['task']},1" for task in known
    ]


def test_choices(server, rows):
    study, project = make(server, rows, choices, "choices", BOXES)
    persons = [server.person(f"choices{at}") for at in range(4)]
    kept = json.loads(server.get(f"/api/projects/{project}"))
    assert kept["maximum_annotations"] == 13 and kept["sampling"] == "Uniform sampling"
    wanted = dict(zip(persons, ("CAGIC", "CAGIC", "GradCAM", choices.ORIGINAL), strict=True))
    answered = {
        task["task"]: [
            people.annotation(person, people.choice(task["order"].index(method) + 1))
            for person, method in wanted.items()
        ]
        for task in people.key_of(study)
    }
    server.answer(project, answered)
    out = read(server, study, project, choices)
    shares = {line["method"]: float(line["share (%)"]) for line in commands.table_of(out)}
    assert [shares[name] for name in ("CAGIC", "GradCAM", "MAttNet")] == [50, 25, 0]
    assert shares[choices.ORIGINAL] == 25
    text = (out / "table.md").read_text()
    assert "in 16.7% of 18 pairs" in text and "12 decisions of 4 people" in text


class Person:
    """Somebody with a browser.

    Attributes:
      page: Playwright's page.
      asked: Addresses of all that the page has asked for.
    """

    def __init__(self, chromium, server):
        """Args are Playwright's browser and a `label_studio.Server`."""
        self.server, self.asked = server, []
        self.context = chromium.new_context(viewport={"width": 1300, "height": 900})
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)

    def log_in(self, path, email, password):
        """Fills in the form of an address and sends it."""
        self.page.goto(self.server.url + path)
        self.page.locator("input[name=email]").fill(email)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("form button[type=submit]").click()
        self.page.wait_for_url(lambda url: "/user/" not in url)

    def open(self, project):
        """Opens a project's next task and closes the instruction, which takes a moment to go."""
        self.page.goto(f"{self.server.url}/projects/{project}/data?labeling=1")
        close = self.page.get_by_label("Close modal")
        close.click()
        close.wait_for(state="detached")

    def whole_pictures(self, count):
        """The pictures of a task, of which nothing is cut off, and which are not small."""
        pictures = self.page.locator(".lsf-image img")
        pictures.nth(count - 1).wait_for()
        self.page.wait_for_load_state("networkidle")
        assert pictures.count() == count
        for picture in pictures.all():
            frame = picture.locator("xpath=ancestor::*[contains(@class, 'lsf-image')][1]")
            inner, outer = picture.bounding_box(), frame.bounding_box()
            assert inner == pytest.approx(outer, abs=1) and inner["width"] > 200
        return pictures.all()

    def submit(self, project):
        """Sends the answer, the project's first, and waits until it is saved."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "POST" and "/annotations" in answer.url
        ):
            self.page.get_by_label("Submit current annotation").click()
        kept = json.loads(self.server.get(f"/api/projects/{project}"))
        assert kept["total_annotations_number"] == 1

    def drag(self, element, start, end):
        """Draws from one place to another, in pixels from an element's upper left corner."""
        at, mouse = element.bounding_box(), self.page.mouse
        mouse.move(at["x"] + start[0], at["y"] + start[1])
        mouse.down()
        mouse.move(at["x"] + (start[0] + end[0]) / 2, at["y"] + (start[1] + end[1]) / 2)
        mouse.move(at["x"] + end[0], at["y"] + end[1])
        mouse.up()

    def asked_for(self):
        """The hosts that pages have asked for anything."""
        addresses = map(urllib.parse.urlsplit, self.asked)
        return {found.hostname for found in addresses if found.scheme in ("http", "https", "ws")}


@pytest.fixture
def person(server):
    """Somebody who has followed the invitation, and then logs in with another browser."""
    account = "annotator@example.org", "drawing a crop"
    invitation = json.loads(server.get("/api/invite"))["invite_url"]
    with browser.started() as chromium:
        first, second = Person(chromium, server), Person(chromium, server)
        first.log_in(invitation, *account)
        second.log_in("/user/login", *account)
        yield second


@browser.needed()
def test_in_the_browser(server, rows, person):
    """A rectangle is drawn, a caption written, a crop chosen; each is what is read back."""
    study, project = make(server, rows, crops, "drawn")
    person.open(project)
    (picture,) = person.whole_pictures(1)
    width = picture.bounding_box()["width"]
    person.drag(picture, (30, 40), (330, 240))
    person.submit(project)
    row = next(iter(people.key_of(study)))["id"]
    (found,) = manifest.read(read(server, study, project, crops) / "manifest.jsonl")
    scale = SIZE[0] / width  # Of the photo's pixels to those of the page.
    assert found.id == row and len(found.crops) == 1
    assert found.crops[0] == pytest.approx([scale * part for part in (30, 40, 300, 200)], abs=2)

    study, project = make(server, rows, captions, "written", ["CAGIC"])
    person.open(project)
    person.whole_pictures(1)
    person.page.locator("input[name=caption]").fill("a dog, on the grass")  # Without Enter.
    person.submit(project)
    out = read(server, study, project, captions)
    assert ',"a dog, on the grass",' in (out / "captions.csv").read_text()

    study, project = make(server, rows, choices, "chosen", BOXES)
    person.open(project)
    person.whole_pictures(4)
    person.page.locator("label:has(input[type=radio][name='3'])").click()
    person.page.locator(".ant-radio-checked").wait_for()
    person.submit(project)
    out = read(server, study, project, choices)
    assert "1: 0%, 2: 0%, 3: 100%, 4: 0%." in (out / "table.md").read_text()
    assert person.asked_for() == {"127.0.0.1"}
