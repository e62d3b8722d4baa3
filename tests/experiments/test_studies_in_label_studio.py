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
WAIT_S = 60


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
    """Somebody with a browser."""

    def __init__(self, page, server):
        """Args are a Selenium driver and a `label_studio.Server`."""
        self.page, self.server = page, server

    def find(self, css):
        """The first element of a kind that can be clicked, once it is there."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support import expected_conditions as wait_for
        from selenium.webdriver.support.ui import WebDriverWait

        there = wait_for.element_to_be_clickable((By.CSS_SELECTOR, css))
        return WebDriverWait(self.page, WAIT_S).until(there)

    def log_in(self, path, email, password):
        """Fills in the form of an address and sends it."""
        from selenium.webdriver.support.ui import WebDriverWait

        self.page.get(self.server.url + path)
        self.find("input[name=email]").send_keys(email)
        self.find("input[name=password]").send_keys(password)
        self.find("form button[type=submit]").click()
        WebDriverWait(self.page, WAIT_S).until(lambda page: "/user/" not in page.current_url)

    def open(self, project):
        """Opens a project's next task and closes the instruction, which takes a moment to go."""
        from selenium.webdriver.support import expected_conditions as wait_for
        from selenium.webdriver.support.ui import WebDriverWait

        self.page.get(f"{self.server.url}/projects/{project}/data?labeling=1")
        close = self.find("button[aria-label='Close modal']")
        close.click()
        WebDriverWait(self.page, WAIT_S).until(wait_for.staleness_of(close))

    def submit(self, project):
        """Sends the answer, the project's first, and waits until it is saved."""
        from selenium.webdriver.support.ui import WebDriverWait

        def saved(page):
            kept = json.loads(self.server.get(f"/api/projects/{project}"))
            return kept["total_annotations_number"] == 1

        self.find("button[aria-label='Submit current annotation']:not([disabled])").click()
        WebDriverWait(self.page, WAIT_S).until(saved)

    def drag(self, css, start, end):
        """Draws from one place to another, in pixels from an element's upper left corner."""
        from selenium.webdriver.common.action_chains import ActionChains

        element = self.find(css)
        size = element.size
        from_middle = start[0] - size["width"] // 2, start[1] - size["height"] // 2
        half = (end[0] - start[0]) // 2, (end[1] - start[1]) // 2
        rest = end[0] - start[0] - half[0], end[1] - start[1] - half[1]
        chain = ActionChains(self.page).move_to_element_with_offset(element, *from_middle)
        chain.click_and_hold().move_by_offset(*half).move_by_offset(*rest).release().perform()

    def asked_for(self):
        """The hosts that pages have asked for anything."""
        messages = [
            json.loads(line["message"])["message"] for line in self.page.get_log("performance")
        ]
        addresses = [
            urllib.parse.urlsplit(one["params"]["request"]["url"])
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
        ]
        return {found.hostname for found in addresses if found.scheme in ("http", "https")}


@pytest.fixture
def person(server, tmp_path):
    """Somebody who has followed the invitation, and then logs in with another browser."""
    account = "annotator@example.org", "drawing a crop"
    invitation = json.loads(server.get("/api/invite"))["invite_url"]
    with browser.started(tmp_path / "first") as page:
        Person(page, server).log_in(invitation, *account)
    with browser.started(tmp_path / "second") as page:
        one = Person(page, server)
        one.log_in("/user/login", *account)
        yield one


def test_in_the_browser(server, rows, person):
    """A rectangle is drawn, a caption written, a crop chosen; each is what is read back."""
    study, project = make(server, rows, crops, "drawn")
    person.open(project)
    height = person.find(".konvajs-content").size["height"]  # It is wider than the picture.
    person.drag(".konvajs-content", (30, 40), (330, 240))
    person.submit(project)
    row = next(iter(people.key_of(study)))["id"]
    (found,) = manifest.read(read(server, study, project, crops) / "manifest.jsonl")
    scale = SIZE[1] / height  # Of the photo's pixels to those of the page.
    assert found.id == row and len(found.crops) == 1
    assert found.crops[0] == pytest.approx([scale * part for part in (30, 40, 300, 200)], abs=2)

    study, project = make(server, rows, captions, "written", ["CAGIC"])
    person.open(project)
    person.find("input[name=caption]").send_keys("a dog, on the grass")  # Without Enter.
    person.submit(project)
    out = read(server, study, project, captions)
    assert ',"a dog, on the grass",' in (out / "captions.csv").read_text()

    study, project = make(server, rows, choices, "chosen", BOXES)
    person.open(project)
    person.find("label:has(input[type=radio][name='3'])").click()
    person.find(".ant-radio-checked")
    person.submit(project)
    out = read(server, study, project, choices)
    assert "1: 0%, 2: 0%, 3: 100%, 4: 0%." in (out / "table.md").read_text()
    assert person.asked_for() == {"127.0.0.1"}
