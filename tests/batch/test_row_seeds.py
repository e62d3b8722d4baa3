import hashlib
import json

from cagic_tf import run
from cagic_tf.batch import row_seeds
from cagic_tf.system import arguments
from tests import fake_cropper
from tests.fake_cropper import call, lines_of, three_photos


def test_a_seed_is_a_rows_own():
    expected = int(hashlib.sha256(b"3 dog").hexdigest()[:8], 16) // 2
    assert row_seeds.row_seed(3, "dog") == expected
    seeds = {
        row_seeds.row_seed(base, f"row{number}") for base in (-1, 0, 1) for number in range(99)
    }
    assert len(seeds) == 3 * 99
    for seed in seeds:
        arguments.check_seed(seed)


def test_rows_keep_their_seeds_whatever_is_run(monkeypatch, tmp_path):
    cropper = fake_cropper.install(monkeypatch)
    values, whole, part = three_photos(tmp_path), tmp_path / "whole", tmp_path / "part"
    assert call(**values | {"output_dir": str(whole)}) == run.EXIT_OK
    seeds = {line["id"]: line["seed"] for line in lines_of(whole)}
    assert seeds == {name: row_seeds.row_seed(0, name) for name in seeds}
    assert len(set(seeds.values())) == len(seeds) > 1
    backwards = tmp_path / "backwards.jsonl"
    lines = [{key: line[key] for key in ("id", "image", "caption")} for line in lines_of(whole)]
    backwards.write_text("".join(f"{json.dumps(line)}\n" for line in lines[::-1]))
    assert call(manifest=str(backwards), output_dir=str(part)) == run.EXIT_OK
    assert {line["id"]: line["seed"] for line in lines_of(part)} == seeds
    assert cropper.seeds == [*seeds.values(), *list(seeds.values())[::-1]]
