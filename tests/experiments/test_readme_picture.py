"""Pictures of a search on photos, and of scores along lines."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import manifest
from cagic_tf.batch.records import Record
from experiments import plot_scores, readme_picture
from tests.experiments import commands, drawn


def test_each_row_has_its_photo_and_its_crop(dataset):
    rows = manifest.read(dataset)
    records = {row.id: Record(row.id, "", "a dog", "ok", box=[5, 0, 30, 15]) for row in rows}
    axes = np.array(readme_picture.draw(rows, records).axes).reshape(2, 3)
    for (above, below), row in zip(axes.T, rows, strict=True):
        photo = np.asarray(Image.open(row.path))
        np.testing.assert_array_equal(drawn.shown(below), photo[:15, 5:35])
        np.testing.assert_array_equal(drawn.shown(above)[:15, 5:35], photo[:15, 5:35])
        np.testing.assert_array_equal(drawn.shown(above)[15:], photo[15:] // 2)
        assert drawn.boxes_of(above) == [*row.crops, (5, 0, 30, 15)]
        assert above.get_title() == "“a dog”"


@pytest.mark.slow
def test_picture_of_a_search(dataset, quick_gin, tmp_path):
    out = tmp_path / "out"
    command = [f"--dataset={dataset}", f"--gin_file={quick_gin}", f"--output_dir={out}"]
    commands.call(readme_picture, *command)
    assert Image.open(out / "picture.jpg").format == "JPEG"
    assert [record.ok for record in commands.records_of(out / "quick.gin")] == [True] * 3
    found = commands.made_by(out)
    names = ["results.jsonl", "operative_config.gin", "provenance.json"]
    assert list(found["files"]) == ["picture.jpg", *(f"quick.gin/{name}" for name in names)]
    assert list(found["checkpoints"]) == [
        *("lite0", "sat", "vfn", "lexicon", "synonyms", "grounder")
    ]
    dataset.write_text(dataset.read_text().replace("a dog", "zyzzyva"))
    message = commands.error_of(readme_picture, *command, f"--output_dir={tmp_path / 'other'}")
    assert "the row 'left' was refused: no word of the caption is known" in message


@pytest.mark.slow
def test_scores_along_lines(tmp_path, monkeypatch):
    figures = []
    encoded = plot_scores.panels.encoded
    monkeypatch.setattr(
        plot_scores.panels, "encoded", lambda *given: figures.append(given[0]) or encoded(*given)
    )
    output = tmp_path / "new" / "scores.png"
    commands.call(plot_scores, f"--output={output}")
    across, down, scale = figures[0].axes
    for one, other in zip(across.lines, down.lines, strict=True):
        points, others = one.get_xydata(), other.get_xydata()
        assert np.ptp(points[:, 1]) > 0.01
        # Both lines go through the crop in the middle.
        assert points[40][0] == pytest.approx(0, abs=1e-12)
        assert points[40][1] == pytest.approx(others[40][1], rel=1e-4)
    assert [line.get_label() for line in across.lines] == list(plot_scores.PHOTOS)
    assert len(scale.lines) == 3
    assert list(commands.made_by(output.parent)["checkpoints"]) == ["lite0", "sat", "vfn"]
