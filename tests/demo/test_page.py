"""The page in headless Chromium, with croppers that take no time (see `stand_in`)."""

import io
import json
import re
import time

import numpy as np
import pytest
from PIL import Image

from tests.demo import stand_in, visitors

pytestmark = [pytest.mark.slow, visitors.needs_browser]


def test_a_photo_is_uploaded_cropped_and_downloaded(come, server, photo):
    visitor = come()
    visitor.upload(photo)
    visitor.says("Ready")
    visitor.ask("a dog")
    visitor.says("Done in")
    visitor.page.locator("#why svg").wait_for()
    name, data = visitor.download("Download the crop")
    assert name == "my-dog-a-dog_crop.png"
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        given = np.asarray(Image.open(photo))
        np.testing.assert_array_equal(np.asarray(image), given[:120, :160])
    name, data = visitor.download("Download the result as JSON")
    record = json.loads(data)
    assert name == "my-dog-a-dog.json" and record["box"] == [0, 0, 160, 120]
    assert visitor.page.locator("#candidates figure").count() == len(record["candidates"]) - 1 == 2
    assert "a <b>dog</b> & a cat" in visitor.page.locator("#found").inner_text()
    pictures = visitor.page.locator("#found img, #candidates img, #why img")
    assert pictures.evaluate_all("all => all.map((each) => each.naturalWidth > 0)") == [True] * 4
    assert "zyzzyva" in visitor.page.locator("#why").inner_text()
    visitor.picture("desktop")


def test_photos_go_with_the_page_and_samples_keep_their_pictures(come, server, photo):
    visitor = come()
    visitor.upload(photo)
    visitor.says("Ready")
    # Gradio's own file of the upload goes first, and the visit's copy is left.
    visitors.wait_for(lambda: server.photos() == ["my dog.png", "photo.jpg"], 60)
    visitor.ask("a dog")
    visitor.says("Done in")
    visitor.leave()
    visitors.wait_for(lambda: server.photos() == [])
    page = come().page
    page.wait_for_function(
        "[...document.querySelectorAll('#samples img')].every((a) => a.complete)"
    )
    widths = page.locator("#samples img").evaluate_all("all => all.map((a) => a.naturalWidth)")
    assert len(widths) == 4 and all(widths)


def test_photos_are_dropped_pasted_and_taken_with_the_camera(come):
    visitor = come(permissions=["clipboard-read", "clipboard-write", "camera"])
    page = visitor.page

    def hold(route):  # The choice of the clipboard is told without a photo; that may take a while.
        if '"data":[null]' in (route.request.post_data or ""):
            time.sleep(1)
        route.continue_()

    page.route("**/run/predict", hold)
    made = """async (side) => { const drawn = document.createElement('canvas');
      drawn.width = side; drawn.height = 48;
      return await new Promise((done) => drawn.toBlob(done, 'image/png')); }"""
    page.evaluate(f"""async () => {{ const blob = await ({made})(64);
      await navigator.clipboard.write([new ClipboardItem({{'image/png': blob}})]); }}""")
    page.get_by_role("button", name="Paste from clipboard").click()
    page.locator("#editor .numbers", has_text="of 64 × 48").wait_for()
    page.evaluate(f"""async () => {{ const data = new DataTransfer();
      data.items.add(new File([await ({made})(32)], 'dropped.png', {{type: 'image/png'}}));
      for (const name of ['dragenter', 'dragover', 'drop'])
        document.querySelector('#photo button').dispatchEvent(
          new DragEvent(name, {{dataTransfer: data, bubbles: true, cancelable: true}})); }}""")
    page.locator("#editor .numbers", has_text="of 32 × 48").wait_for()
    page.get_by_role("button", name="Capture from camera").click()
    assert visitor.says("Ready") and visitor.box() == (8, 12, 16, 24)  # It is still there.
    page.get_by_role("button", name="Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('#photo video')?.currentTime > 0.2")

    def taken():  # As people do, who press again where a camera is slow.
        button = page.get_by_role("button", name="capture photo")
        if button.is_visible():
            button.click()
        page.wait_for_timeout(3000)
        return "of 32 × 48" not in page.locator("#editor .numbers").inner_text()

    visitors.wait_for(taken, 60)
    visitor.ask("a dog")
    visitor.says("Done in")


def test_the_path_of_the_centre_plays(come):
    visitor = come()
    visitor.take_sample("Lake")
    visitor.ask("a dog")
    visitor.page.locator("#why .play").click()
    width = "document.querySelector('svg.path rect').width.animVal.value"
    visitor.page.wait_for_function(f"{width} > 300")  # Of 500 pixels; the crop has 250.
    visitor.page.wait_for_function(f"{width} == 250")


def test_a_box_is_dragged_and_scored_beside_the_found_one(come):
    visitor = come()
    visitor.take_sample("Lake")  # 500 x 500 pixels.
    visitor.ask("a dog")
    visitor.says("Done in")
    visitor.page.locator("#editor .found").wait_for()
    visitor.page.locator("#why svg").wait_for()
    visitor.page.wait_for_function("[...document.images].every((each) => each.complete)")
    assert visitor.box() == (0, 0, 250, 250)
    stage = visitor.page.locator("#editor .stage").bounding_box()
    drag(visitor, ".box", stage["width"] / 5, stage["height"] / 10)
    x, y, w, h = visitor.box()
    assert abs(x - 100) <= 1 and abs(y - 50) <= 1 and (w, h) == (250, 250)
    drag(visitor, ".corner", -stage["width"] / 10, stage["height"] / 5)
    x, y, w, h = visitor.box()
    assert abs(w - 200) <= 1 and abs(h - 350) <= 1
    drag(visitor, ".box", -stage["width"], 0)  # It stays inside.
    assert visitor.box() == (0, y, w, h)
    visitor.page.get_by_role("button", name="Score my box").click()
    visitor.says("scored")
    own = stand_in.losses([w / 500 - 1, (2 * y + h) / 500 - 1, 1])
    rows = visitor.table("#comparison")
    assert rows[0] == ["", "the found crop", "your box"]
    assert rows[1] == ["total", "0.495", f"{own['total']:.3f}"]
    assert rows[3][2] == f"{own['aesthetic']:.3f}"
    visitor.picture("desktop-box")


def drag(visitor, name, dx, dy):
    visitor.page.locator("#editor .stage").scroll_into_view_if_needed()
    at = visitor.page.locator(f"#editor {name}").bounding_box()
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x + dx / 2, y + dy / 2)
    visitor.page.mouse.move(x + dx, y + dy)
    visitor.page.mouse.up()
    # It is there at once: a hand that takes hold of it again finds what it sees.
    editor = visitor.page.locator("#editor")
    assert editor.evaluate("(at) => at.getAnimations({subtree: true}).length") == 0


def test_long_work_shows_its_progress_and_stops(come):
    visitor = come()
    visitor.take_sample("Lake")
    visitor.ask("a slow dog")
    visitor.says(re.compile(r"Scale \d+ of 30"))
    bar = visitor.page.locator("#status progress")
    assert bar.get_attribute("max") == "30" and int(bar.get_attribute("value")) >= 1
    visitor.picture("desktop-busy")
    visitor.page.locator("#stop").click()
    visitor.says("Stopped")
    visitor.ask("a dog")  # And the next one is not held up by it.
    visitor.says("Done in")


def test_a_photo_that_cannot_be_read_is_a_sentence(come, server, tmp_path):
    (tmp_path / "my cat.jpg").write_bytes(b"no photo")
    visitor = come()
    visitor.upload(tmp_path / "my cat.jpg")
    text = visitor.says("Cannot read my cat.jpg as a photo")
    assert text.endswith("are read.") and "/" not in text and "Traceback" not in text
    visitor.page.locator("#crop").click()
    visitor.says("Choose a photo first")
    visitor.picture("desktop-bad-photo")
    visitor.take_sample("Lake")
    visitor.ask("")
    assert visitor.says("has no words").startswith("The caption")
    assert "lake.jpg" in server.photos() and str(tmp_path) not in text


def test_two_at_once_queue(come):
    first, second = come(), come()
    for visitor in (first, second):
        visitor.take_sample("Lake")
    first.ask("a slow dog")
    first.says(re.compile(r"Scale \d+ of 30"))
    second.ask("a dog")
    second.says("One crop is computed at a time")
    second.picture("desktop-waiting")
    # It waits as long as the first is at work, and comes before the first has been asked again.
    assert "Scale" in first.page.locator("#status").inner_text()
    first.page.locator("#stop").click()
    first.says("Stopped")
    second.says("Done in")
    assert first.page.locator("#found").inner_text().strip() == ""


def test_who_leaves_stops_the_work_for_the_next(come, server, chromium):
    first, second = visitors.Visitor(chromium, server.url), come()
    for visitor in (first, second):
        visitor.take_sample("Lake")
    first.ask("a slow dog")
    first.says(re.compile(r"Scale \d+ of 30"))
    first.leave()
    second.ask("a dog")
    second.says("Done in")
    assert first.wrong == []
