"""The page's layout, and which part of it asks what of `work`."""

import functools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from cagic_tf.demo import fragments, samples, work
from cagic_tf.demo.croppers import METHODS, Croppers
from cagic_tf.demo.visits import Visit, Visits
from cagic_tf.photos import reading

TITLE = "Crop a photo to a sentence"
_HERE = Path(__file__).parent
_SHAPES = ["original", "1:1", "4:5", "3:2", "16:9", "9:16", "1200x628"]
_INTRODUCTION = """# Crop a photo to a sentence
A photo and a sentence go in; the crop that shows what the sentence says, well composed, comes out.
Photos stay on the machine that runs this page, and are removed when you close it or take another.
"""
_PLAY = """element.addEventListener("click", (event) => {
  if (event.target.closest(".play"))
    element.querySelectorAll("animate").forEach((each) => each.beginElement());
});"""
# One work at a time computes; the others wait in the order in which they came.
_QUEUE: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "networks"}
_QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden"}
_WAITING = "Waiting. One crop is computed at a time, in the order in which people asked."
# Every five seconds those of before fifteen seconds are removed: a visit has its own copy at once.
_UPLOADS = (5, 15)
_STOPPING = "Stopping."
# Seconds for which Gradio's page still takes what it has cancelled for work that goes on, and would
# not begin another; "Stopped" comes after that.
_FORGETTING = 0.5
_READY = "Ready. Write what the crop should show, and press “Crop”."


class Page:
    """The page for everybody: what is of one visitor is in `visits`.

    Attributes:
      blocks: Gradio's application.
    """

    def __init__(self, croppers: Croppers, visits: Visits):
        self._croppers, self._visits = croppers, visits
        with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=_UPLOADS) as self.blocks:
            gr.Markdown(_INTRODUCTION)
            with gr.Row():
                with gr.Column(min_width=300):
                    self._lay_out_wish()
                    self._status = gr.HTML(fragments.status(work.NO_PHOTO), elem_id="status")
                    self._found = gr.HTML(elem_id="found")
                with gr.Column(min_width=300):
                    self._lay_out_box()
            self._candidates = gr.HTML(elem_id="candidates")
            self._why = gr.HTML(js_on_load=_PLAY, elem_id="why")
            self._connect()

    def _lay_out_wish(self) -> None:
        self._photo = gr.Image(
            label="Photo",
            sources=["upload", "clipboard", "webcam"],
            height=200,
            elem_id="photo",
        )
        with gr.Row(elem_id="samples"):
            self._samples = [
                (gr.Button(each.name, icon=each.path, size="sm", min_width=120), each)
                for each in samples.read()
            ]
        self._caption = gr.Textbox(label="What the crop should show", max_length=500, lines=1)
        self._alone = gr.Checkbox(label="Without a sentence: by looks alone")
        self._method = gr.Radio(list(METHODS), value="fast.gin", label="Method")
        with gr.Row():
            self._crop = gr.Button("Crop", variant="primary", elem_id="crop")
            self._stop = gr.Button("Stop", elem_id="stop")
        with gr.Accordion("More settings", open=False):
            self._shape = gr.Dropdown(
                _SHAPES,
                value="",
                label="Shape or size",
                info="original is the photo's own; a ratio such as 16:9, or a size in pixels. Left "
                "empty, fast.gin chooses, and the paper's methods keep the photo's own",
                allow_custom_value=True,
            )
            self._count = gr.Slider(1, 8, value=4, step=1, label="Candidates")
            self._weight = gr.Number(
                value=functools.partial(self._croppers.weight, "fast.gin"),
                label="Weight of looks (lambda)",
                info="How much the aesthetic loss counts; 0 leaves it out",
            )
            self._seed = gr.Number(value=0, precision=0, label="Seed")

    def _lay_out_box(self) -> None:
        self._editor = gr.HTML(
            html_template=(_HERE / "box_editor.html").read_text(encoding="utf-8"),
            css_template=(_HERE / "box_editor.css").read_text(encoding="utf-8"),
            js_on_load=(_HERE / "box_editor.js").read_text(encoding="utf-8"),
            elem_id="editor",
        )
        self._score = gr.Button("Score my box", elem_id="score", visible=False)
        self._comparison = gr.HTML(elem_id="comparison")

    def _connect(self) -> None:
        answers = [self._found, self._candidates, self._why, self._comparison]
        seen = [self._status, self._editor, self._score, *answers]
        # Gradio would open the photo first, and have its own words for what it cannot open. And it
        # tells that the clipboard was chosen, without a photo; that which comes meanwhile counts.
        raw = {"preprocess": False, "trigger_mode": "multiple", **_QUICK}
        self._photo.input(self._take, self._photo, [self._photo, *seen], **raw)
        for button, sample in self._samples:
            button.click(self._taker(sample), None, [self._caption, *seen], **_QUICK)
        self._method.change(self._croppers.weight, self._method, self._weight, **_QUICK)
        self._alone.change(
            lambda alone: gr.update(interactive=not alone), self._alone, self._caption, **_QUICK
        )
        wish = {self._method, self._caption, self._alone, self._shape, self._weight}
        wish |= {self._count, self._seed}
        shown = {"show_progress": "minimal", "show_progress_on": self._status}
        begin = [self._crop.click, self._caption.submit]
        gr.on(begin, None, None, self._status, js=_says(_WAITING))
        cropping = gr.on(
            begin,
            self._crop_it,
            wish,
            [self._status, self._editor, *answers],
            **_QUEUE,
            **shown,
        )
        self._score.click(None, None, self._status, js=_says(_WAITING))
        self._score.click(
            self._score_it,
            {self._editor, *wish},
            [self._status, self._comparison],
            **_QUEUE,
            **shown,
        )
        self._stop.click(None, None, self._status, js=_says(_STOPPING))
        stopped = self._stop.click(self._stop_it, cancels=cropping, **_QUICK)
        stopped.then(self._say_stopped, None, self._status, **_QUICK)
        self.blocks.load(self._labels, None, self._method, **_QUICK)
        self.blocks.unload(self._leave)

    def _labels(self) -> Any:
        return gr.update(choices=[(text, name) for name, text in self._croppers.labels().items()])

    def _visit(self, request: gr.Request) -> Visit:
        return self._visits.of(str(request.session_hash))

    def _take(self, upload: dict[str, Any] | None, request: gr.Request) -> list[Any]:
        if upload is None:  # Another way to give a photo was chosen, and no photo yet.
            return [gr.skip()] * 8
        return [None, *self._taken(Path(upload["path"]), request)]

    def _taker(self, sample: samples.Sample) -> Callable[[gr.Request], list[Any]]:
        def take(request: gr.Request) -> list[Any]:
            return [sample.caption, *self._taken(sample.path, request)]

        return take

    def _taken(self, path: Path, request: gr.Request) -> list[Any]:
        """What is seen of a photo that was chosen: it, or why not; nothing of the one before."""
        nothing = [""] * 4
        visit = self._visit(request)
        try:
            width, height = work.take(visit, path)
        except reading.ImageError as error:
            problem = fragments.status(str(error), "problem")
            return [problem, None, gr.update(visible=False), *nothing]
        box = [width // 4, height // 4, max(1, width // 2), max(1, height // 2)]
        editor = {"src": visit.view, "width": width, "height": height, "box": box, "found": None}
        return [fragments.status(_READY), editor, gr.update(visible=True), *nothing]

    def _crop_it(self, held: dict[Any, Any], request: gr.Request) -> Iterator[list[Any]]:
        visit = self._visit(request)
        rest = [gr.skip()] * 5
        yield [fragments.status("Loading the networks and the photo.", "busy"), *rest]
        for event in work.crop(self._croppers, visit, self._wish(held)):
            if isinstance(event, work.Update):
                yield [fragments.progress(event), *rest]
            elif isinstance(event, work.Failed):
                yield [fragments.status(event.message, "problem"), *rest]
            else:
                yield self._answer(event, visit)

    def _wish(self, held: dict[Any, Any]) -> work.Wish:
        """What the controls ask for; an empty one stands for its default."""
        return work.Wish(
            held[self._method],
            None if held[self._alone] else (held[self._caption] or "").strip(),
            held[self._shape] or "",
            held[self._weight],
            int(held[self._count]),
            int(held[self._seed] or 0),
        )

    def _answer(self, found: work.Found, visit: Visit) -> list[Any]:
        height, width = found.result.photo.shape[:2]
        box = [int(side) for side in found.fields["box"]]
        editor = {"src": visit.view, "width": width, "height": height, "box": box, "found": box}
        sentence = (
            f"Done in {found.result.seconds:.1f} seconds: {found.result.evaluations} crops tried."
        )
        return [
            fragments.status(sentence),
            editor,
            fragments.crop(found),
            fragments.candidates(found),
            fragments.why(found, visit.view),
            "",
        ]

    def _score_it(self, held: dict[Any, Any], request: gr.Request) -> list[Any]:
        editor = held[self._editor] or {}
        names = ["the found crop", "your box"] if editor.get("found") else ["your box"]
        boxes: list[Any] = [editor.get("found"), editor.get("box") or ()][-len(names) :]
        scored = work.score(self._croppers, self._visit(request), self._wish(held), boxes)
        if isinstance(scored, work.Failed):
            return [fragments.status(scored.message, "problem"), ""]
        return [fragments.status("Your box is scored."), fragments.comparison(scored, names)]

    def _stop_it(self, request: gr.Request) -> None:
        self._visit(request).stop()

    def _say_stopped(self) -> str:
        time.sleep(_FORGETTING)
        return fragments.status(work.STOPPED)

    def _leave(self, request: gr.Request) -> None:
        self._visits.close(str(request.session_hash))


def _says(sentence: str) -> str:
    """A script that shows a sentence at once, without asking the server."""
    return f"() => {json.dumps(fragments.status(sentence, 'busy'))}"
