"""What the page says: escaped, with the right figures, and as XML that is well formed."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from cagic_tf.demo import animation, fragments, work
from cagic_tf.demo.visits import Visits
from cagic_tf.method.search import Path
from tests.demo import stand_in


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fragments")
    Image.new("RGB", (60, 40)).save(folder / "dog.png")
    visit = Visits(folder / "root").of("one")
    work.take(visit, folder / "dog.png")
    wish = work.Wish("fast.gin", "a <i>dog</i>", candidate_count=3)
    return list(work.crop(stand_in.StandIns(), visit, wish))[-1]


def parsed(text):
    return ET.fromstring(f"<div>{text}</div>".replace("&nbsp;", " "))


def closed(text):
    """The same with its empty elements closed, as XML has them."""
    for name in ("img", "progress"):
        text = "".join(
            part if at == 0 else f"<{name}" + part.replace(">", "/>", 1)
            for at, part in enumerate(text.split(f"<{name}"))
        ).replace("/></progress>", "/>")
    return text


def test_all_of_it_is_escaped_and_well_formed(found):
    for text in (
        fragments.crop(found),
        fragments.candidates(found),
        fragments.why(found, "a&b.jpg"),
        fragments.status("a <script> & more", "problem"),
        fragments.progress(work.Update(2, 30, 1.5, 65.0)),
    ):
        tree = parsed(closed(text))
        assert (
            not list(tree.iter("b")) and not list(tree.iter("i")) and not list(tree.iter("script"))
        )
    figure = parsed(closed(fragments.crop(found))).find(".//figcaption")
    assert "".join(figure.itertext()) == "The captioner sees: a <b>dog</b> & a cat"


def test_each_picture_and_link_says_what_it_is(found):
    tree = parsed(closed(fragments.crop(found) + fragments.candidates(found)))
    pictures = [image.get("alt") for image in tree.iter("img")]
    assert [alt.partition(":")[0] for alt in pictures] == ["The crop", "Candidate 2", "Candidate 3"]
    links = [(link.text, link.get("download")) for link in tree.iter("a")]
    assert links[0] == ("Download the crop (30 × 20 pixels)", found.fields["crop_file"])
    assert links[1] == ("Download the result as JSON", f"{found.fields['id']}.json")
    assert links[2][0] == "Download (54 × 36 pixels)"


def test_losses_stand_side_by_side(found):
    own = stand_in.StandIn()._candidate(((0, 0, 1.0), (1, 1)), 60, 40)
    tree = parsed(fragments.comparison([found.result, own], ["the found crop", "your box"]))
    rows = [["".join(cell.itertext()) for cell in row] for row in tree.iter("tr")]
    assert rows[0] == ["", "the found crop", "your box"]
    assert rows[1] == ["total", "0.495", "1.000"] and rows[3] == [
        "aesthetic (Eq. 5)",
        "-0.500",
        "0.000",
    ]
    assert rows[-1][0] == "the captioner sees"
    assert fragments._number(-0.0001) == "0.000" and fragments._number(-0.1) == "-0.100"


def test_progress_is_said_in_words_and_drawn():
    tree = parsed(closed(fragments.progress(work.Update(2, 30, 1.5, 130.0))))
    assert "Scale 2 of 30, lowest loss 1.500, about 2 minutes left." in tree.find("p").text
    bar = tree.find("progress")
    assert (bar.get("value"), bar.get("max")) == ("2", "30") and bar.get("aria-label")
    assert "left" not in fragments.progress(work.Update(1, 30, 1.5, None))


def test_words_are_told_by_what_knows_them(found):
    text = fragments.why(found, "view.jpg")
    assert "<dd>a; dog</dd>" in text and "dog (beagle)" in text
    assert "zyzzyva (near it: zebra)" in text and "Read as" not in text


def test_a_path_of_steps_is_in_their_order(found):
    boxes = animation.path(found.result.path, (1.0, 1.0))
    assert np.allclose(boxes, [[0, 0, 0.9, 0.9], [0, 0, 0.7, 0.7], [0, 0, 0.5, 0.5]])


def test_steps_are_drawn_in_the_shape_that_the_search_chose(found):
    own = found.result.path._replace(base_size=(1.0, 0.5))
    boxes = animation.path(own, (1.0, 1.0))
    # Half as wide as the photo, around (-0.5, -0.5).
    assert boxes[-1] == pytest.approx((0, 0.125, 0.5, 0.375))


def test_a_path_of_a_scan_has_the_best_of_each_scale():
    rows = [[3, 0, 0, 0.5], [1, 0.5, 0, 0.5], [2, 0, 0, 0.9], [2.5, 0.1, 0, 0.9]]
    found = Path(np.array([0, 0, 0.5]), 1.0, [], 4, np.array(rows))
    boxes = animation.path(found, (1.0, 0.5))
    assert np.allclose(boxes, [[0.05, 0.275, 0.95, 0.725], [0.5, 0.375, 1, 0.625]])


def test_the_animation_ends_at_the_crop_and_waits_to_be_played(found):
    tree = parsed(animation.html_of(found.result, "view.jpg"))
    (svg,) = tree.iter("svg")
    assert svg.get("viewBox") == "0 0 60 40" and "25 % across and 25 % down" in svg.get(
        "aria-label"
    )
    rect = svg.find("rect")
    assert [float(rect.get(side)) for side in ("x", "y", "width", "height")] == [0, 0, 30, 20]
    widths = next(each for each in rect if each.get("attributeName") == "width").get("values")
    assert [float(width) for width in widths.split(";")] == [54, 42, 30, 30]
    assert {each.get("begin") for each in svg.iter("animate")} == {"indefinite"}
