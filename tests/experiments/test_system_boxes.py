import numpy as np

from cagic_tf.baselines.scored_box import ScoredBox
from experiments.methods.system_boxes import SystemBox

PHOTO = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_the_best_box_in_whole_pixels_inside_the_photo():
    def of(*box):
        given = []

        def boxes(photo, caption, file):
            given.append((photo.shape, caption))
            return [ScoredBox(box, 0.5), ScoredBox((0, 0, 1, 1), 0.1)]

        found = SystemBox("a", boxes)(PHOTO, "a dog")
        assert given == [((60, 80, 3), "a dog")]
        return found

    assert of(10, 20, 30, 15) == (10, 20, 30, 15)
    assert of(10.4, 20.6, 30.2, 15.3) == (10, 21, 31, 15)  # To 40.6 and 35.9.
    assert of(-3.2, 5, 100, 70) == (0, 5, 80, 55)
    assert of(79.9, 59.9, 0.2, 0.2) == (79, 59, 1, 1)


def test_a_system_on_another_methods_crop_sees_no_more_than_that():
    seen = []

    def boxes(photo, caption, file):
        seen.append(photo)
        return [ScoredBox((5, 2, 10, 20), 1.0)]

    method = SystemBox("a", boxes, first=lambda photo, caption: (20, 10, 40, 30))
    assert method(PHOTO, "a dog") == (25, 12, 10, 20)
    np.testing.assert_array_equal(seen[0], PHOTO[10:40, 20:60])
    assert seen[0].flags.c_contiguous


def test_without_an_answer_all_that_it_saw():
    assert SystemBox("a", lambda photo, caption, file: [])(PHOTO, "") == (0, 0, 80, 60)
    first = SystemBox(
        "a", lambda photo, caption, file: [], first=lambda photo, caption: (1, 2, 30, 40)
    )
    assert first(PHOTO, "") == (1, 2, 30, 40)


def test_repr_names_the_system_and_the_first_method():
    assert repr(SystemBox("a2rl seed=0", len)) == "SystemBox(name='a2rl seed=0', first=None)"
