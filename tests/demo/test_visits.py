"""A visit keeps one photo and one result, and nothing when it has ended."""

import urllib.parse
from pathlib import Path

from cagic_tf.demo.visits import ADDRESS, Visits


def files_below(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def of_address(address):
    assert address.startswith(ADDRESS)
    return Path(urllib.parse.unquote(address.removeprefix(ADDRESS)))


def test_a_photo_is_kept_under_its_name_until_there_is_another(tmp_path):
    (tmp_path / "a dog.jpg").write_bytes(b"dog")
    (tmp_path / "cat.jpg").write_bytes(b"cat")
    visit = Visits(tmp_path / "root").of("one")
    visit.take(tmp_path / "a dog.jpg")
    visit.show_photo("photo.jpg", b"view")
    assert visit.photo.name == "a dog.jpg" and visit.photo.read_bytes() == b"dog"
    assert of_address(visit.view).read_bytes() == b"view"
    visit.show({"crop.jpg": b"crop"})
    visit.take(tmp_path / "cat.jpg")
    assert files_below(tmp_path / "root") == ["cat.jpg"]
    assert (tmp_path / "a dog.jpg").exists()  # It is its owner's.


def test_results_replace_those_before_and_not_the_photo(tmp_path):
    visits = Visits(tmp_path)
    visit = visits.of("one")
    visit.show_photo("photo.jpg", b"view")
    before = visit.show({"crop.jpg": b"1", "result.json": b"{}"})
    after = visit.show({"crop.jpg": b"2"})
    assert after["crop.jpg"] != before["crop.jpg"]  # Or a browser would show the old one.
    assert of_address(after["crop.jpg"]).read_bytes() == b"2"
    assert files_below(tmp_path) == ["crop.jpg", "photo.jpg"]
    assert all(visits.shown in of_address(each).parents for each in [*after.values(), visit.view])


def test_photos_are_not_among_what_a_page_may_load(tmp_path):
    (tmp_path / "dog.jpg").write_bytes(b"dog")
    visits = Visits(tmp_path / "root")
    assert visits.shown not in visits.of("one").take(tmp_path / "dog.jpg").parents


def test_visits_know_nothing_of_each_other_and_leave_nothing(tmp_path):
    (tmp_path / "dog.jpg").write_bytes(b"dog")
    visits = Visits(tmp_path / "root")
    for name in ("one", "two"):
        visits.of(name).take(tmp_path / "dog.jpg")
        visits.of(name).show({"crop.jpg": b"crop"})
    assert visits.of("one") is visits.of("one") is not visits.of("two")
    stopping = visits.of("one").begin()
    visits.close("one")
    assert stopping.is_set()
    assert files_below(tmp_path / "root") == ["crop.jpg", "dog.jpg"]
    visits.close("two")
    visits.close("nobody")
    assert files_below(tmp_path / "root") == []


def test_a_work_that_begins_stops_the_one_before(tmp_path):
    visit = Visits(tmp_path).of("one")
    first = visit.begin()
    second = visit.begin()
    assert first.is_set() and not second.is_set()
    visit.stop()
    assert second.is_set()
