"""The page's croppers without networks; run as a program, it serves the page with them.

    python -m tests.demo.stand_in [PORT [HOST]]

The crop is the photo's upper left quarter, or of another shape as large as that. A caption with
"slow" takes thirty scales of a fifth of a second. Whatever the process asks of another machine is
printed as a line that begins with "outside".
"""

import sys
import time

import numpy as np

from cagic_tf.beyond import candidates, shapes
from cagic_tf.cropping import requests
from cagic_tf.demo import serving
from cagic_tf.demo.croppers import Croppers
from cagic_tf.method import geometry
from cagic_tf.method.search import Losses, Path, Step
from cagic_tf.photos import reading
from cagic_tf.results import Candidate, CropResult

HOME = ("127.0.0.1", "localhost", "::1", "0.0.0.0")


def losses(theta):
    """Losses that depend on where a crop is, so that tests can compute them."""
    x, y = (float(value) for value in theta[:2])
    return {"total": 1 + x + 0.01 * y, "caption": 1 + x, "aesthetic": y}


class StandIn:
    """Crops to the upper left quarter."""

    def crop(self, image, caption, seed, progress, shape, smallest_side, candidate_count):
        photo = reading.read(image)
        if caption == "":
            raise ValueError("the caption '' has no words; write what the crop should show")
        if caption == "crash":
            raise RuntimeError("out of memory")
        height, width = photo.shape[:2]
        shape = shape or shapes.FREE  # As fast.gin's own; it happens to choose the photo's.
        base_size = shape.base_size(width, height)
        scales = [0.9, 0.7, 0.5] if "slow" not in (caption or "") else np.linspace(0.9, 0.5, 30)
        steps = []
        for number, scale in enumerate(scales):
            if len(scales) > 3:
                time.sleep(0.2)
            center = np.array([1, 1]) * (scale - 1)
            steps.append(self._step(float(scale), center))
            progress(number + 1, len(scales), float(steps[-1].losses.total))
        path = Path(np.array([-0.5, -0.5, 0.5]), steps[-1].losses.total, steps, 33)
        found = [
            self._candidate(crop, width, height)
            for crop in candidates.distinct(path, candidate_count, base_size)
        ]
        return CropResult(
            **vars(found[0]),
            matched_words={
                "captioner": ["a", "dog"],
                "lexicon": {"dog": ["beagle"]},
                "read_as": {},
            },
            unknown_words={"zyzzyva": ("zebra",)},
            evaluations=33,
            seconds=0.25,
            seed=seed,
            checkpoints={"sat": "5a7"},
            photo=photo,
            path=path,
            shape=shape.name,
            size=shape.size,
            candidates=tuple(found),
            source=image,
        )

    def score(self, image, caption, boxes):
        height, width = reading.read(image).shape[:2]
        placed = [requests.placed(box, width, height) for box in boxes]
        return [self._candidate(crop, width, height) for crop in placed]

    def _step(self, scale, center):
        found = losses([*center, scale])
        total = np.float32(found.pop("total"))
        terms = {name: np.float32(value) for name, value in found.items()}
        ends = np.array([center, -center])
        return Step(scale, center, Losses(total, terms), ends, ends, np.ones(2), np.ones(2) * 3, 11)

    def _candidate(self, crop, width, height):
        theta, base_size = crop
        x, y, s = (float(value) for value in theta)
        return Candidate(
            geometry.pixel_box((x, y), s, width, height, base_size),
            geometry.normalized_box((x, y), s, base_size),
            (x, y),
            s,
            losses(theta),
            "a <b>dog</b> & a cat",
        )


class StandIns(Croppers):
    """Croppers that need no networks."""

    def weight(self, method):
        return {"fast.gin": 0.35, "paper.gin": 0.01}[method]

    def get(self, method, weight=None):
        return StandIn()

    def warm_up(self):
        self.took("fast.gin", 0.5)


def report_outside(event, arguments):
    """Prints who is asked that is not this machine."""
    address = arguments[1] if event == "socket.connect" else arguments[0]
    host = address[0] if isinstance(address, tuple) else address
    if event in ("socket.connect", "socket.getaddrinfo") and isinstance(host, str | bytes):
        host = host.decode() if isinstance(host, bytes) else host
        if host not in HOME and not host.startswith("/"):
            print("outside", event, host, flush=True)


def main():
    sys.addaudithook(
        lambda event, arguments: event.startswith("socket.") and report_outside(event, arguments)
    )
    croppers = StandIns()
    croppers.warm_up()
    port, host = (sys.argv[1:] + ["0", "127.0.0.1"][len(sys.argv) - 1 :])[:2]
    serving.serve(croppers, host, int(port))


if __name__ == "__main__":
    main()
