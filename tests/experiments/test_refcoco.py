"""RefCOCO's sentences, from pickles that may hold anything."""

import os
import pickle

import numpy as np
import pytest

from experiments.data import annotations, coco_boxes
from tests.experiments.manifests import error, instances, run, write


def refs():
    """The fields of the official refs(unc).p."""

    def sentences(*pairs):
        return [
            {"sent_id": number, "sent": text, "raw": text.upper(), "tokens": text.split()}
            for number, text in pairs
        ]

    name = "COCO_train2014_000000000003"
    common = {"file_name": f"{name}_1.jpg", "category_id": 7, "image_id": 3}
    return [
        {**common, "ref_id": 0, "ann_id": 50, "split": "testA", "sent_ids": [5, 6],
         "sentences": sentences((5, "left dog"), (6, "the small one"))},
        {**common, "ref_id": 1, "ann_id": 51, "split": "train", "sent_ids": [7],
         "sentences": sentences((7, "dog on the right"))},
        {**common, "ref_id": 2, "ann_id": 52, "split": "testA", "sent_ids": [8],
         "sentences": sentences((8, "nothing"))},
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_refcoco(capsys, photos, tmp_path, protocol):
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps(refs(), protocol))
    boxes = instances(
        (3, 7, [1.5, 2, 30, 20], 0), (3, 7, [60, 2, 60, 20], 0), (3, 7, [100, 0, 9, 9], 0)
    )
    given = {
        "annotations": write(tmp_path / "instances.json", boxes),
        "refs": tmp_path / "refs(unc).p",
    }
    _, rows, printed = run(capsys, photos, "refcoco", **given, split="testA")
    assert [(row.id, row.caption, row.crops) for row in rows] == [
        ("3-5", "left dog", ((1.5, 2, 30, 20),)),
        ("3-6", "the small one", ((1.5, 2, 30, 20),)),
    ]
    assert rows[0].path.name == "COCO_train2014_000000000003.jpg"
    assert "left out: 1 boxes beyond the photo or below one pixel" in printed
    _, rows, _ = run(capsys, photos, "refcoco", **given, split="train")
    assert [(row.id, row.crops) for row in rows] == [("3-7", ((60, 2, 40, 20),))]


def test_refcoco_malformed(capsys, photos, tmp_path):
    given = {
        "annotations": write(tmp_path / "instances.json", instances((3, 7, [1, 2, 30, 20], 0))),
        "refs": tmp_path / "refs.p",
    }
    given["refs"].write_bytes(pickle.dumps(refs()[:1]))
    said = error(capsys, photos, "refcoco", **given, split="val")
    assert "no split 'val'; it has ['testA']" in said
    assert "--split goes with" in error(capsys, photos, "refcoco", **given)
    assert "--refs goes with" in error(capsys, photos, "coco_objects", **given, split="val")
    given["refs"].write_bytes(pickle.dumps(refs()))  # Their boxes 51 and 52 are not there.
    assert "no RefCOCO file that fits" in error(capsys, photos, "refcoco", **given, split="train")
    for content in ({"a": 1}, [1], [{"split": 3}]):
        given["refs"].write_bytes(pickle.dumps(content))
        assert "refs.p" in error(capsys, photos, "refcoco", **given, split="3")


def test_plain_pickle_of_python_2(tmp_path):
    """Protocol 0 as Python 2 wrote it: byte strings, here in UTF-8."""
    data = b"(lp0\n(dp1\nS'raw'\np2\nS'a caf\\xc3\\xa9'\np3\nsS'id'\np4\nI7\nsa."
    (tmp_path / "old.p").write_bytes(data)
    assert coco_boxes.read_pickle(tmp_path / "old.p") == [{"raw": "a café", "id": 7}]


class Evil:
    def __init__(self, call):
        self._call = call

    def __reduce__(self):
        return self._call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle(capsys, photos, tmp_path, protocol):
    marker = tmp_path / "owned"
    content = refs()
    content[0]["split"] = Evil((os.mkdir, (str(marker),)))
    given = {
        "annotations": write(tmp_path / "instances.json", instances((3, 7, [1, 2, 30, 20], 0))),
        "refs": tmp_path / "refs.p",
    }
    given["refs"].write_bytes(pickle.dumps(content, protocol))
    said = error(capsys, photos, "refcoco", **given, split="testA")
    assert "no pickle of plain data: it names " in said and "mkdir" in said
    assert not marker.exists()
    pickle.loads(given["refs"].read_bytes())  # It would have worked.
    assert marker.exists()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Evil((eval, ("1 + 1",)))),
        pickle.dumps(np.float64(1)),  # Numbers, but of a class.
        pickle.dumps({"a": complex(1, 2)}),
        b"(S'touch owned'\nios\nsystem\n.",  # INST.
        b"(cos\nsystem\nS'touch owned'\no.",  # OBJ.
        b"\x80\x02\x82\x01.",  # EXT1.
        b"Pname\n.",  # PERSID.
        b"}}(S'__class__'\nS'x'\nub.",
        pickle.dumps(refs())[:-10],
        b"",
        b"plain text",
    ],
)  # fmt: skip
def test_pickles_that_are_refused(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "refs.p").write_bytes(data)
    with pytest.raises(annotations.DataError, match="no pickle of plain data") as caught:
        coco_boxes.read_pickle(tmp_path / "refs.p")
    assert "\n" not in str(caught.value) and not (tmp_path / "owned").exists()
