"""What the page says of a crop, as HTML; everything that people or files say is escaped."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cagic_tf.demo import animation
from cagic_tf.demo.croppers import duration
from cagic_tf.demo.work import Found, Update, view_name

if TYPE_CHECKING:
    from cagic_tf import results

_LOSSES = {
    "total": "total",
    "caption": "caption (Eq. 4)",
    "aesthetic": "aesthetic (Eq. 5)",
    "lexicon": "nouns",
    "sentence": "sentence",
}


def status(sentence: str, kind: str = "plain") -> str:
    """A sentence of what goes on; `kind` is "plain", "busy" or "problem"."""
    return f'<p class="status {kind}">{html.escape(sentence)}</p>'


def progress(update: Update) -> str:
    """How far a crop is."""
    left = "" if update.left is None else f", about {duration(update.left)} left"
    sentence = (
        f"Scale {update.done} of {update.total}, lowest loss {update.loss:.3f}{left}. "
        "Stop ends it after the scale that it is at."
    )
    return (
        f'{status(sentence, "busy")}<progress max="{update.total}" value="{update.done}" '
        'aria-label="Scales that are done"></progress>'
    )


def crop(found: Found) -> str:
    """The crop with what the captioner sees in it, and its files."""
    fields = found.fields
    links = [_link(fields["crop_file"], found.files, _sized("Download the crop", found, fields))]
    links.append(
        f'<a href="{html.escape(found.json)}" download="{html.escape(fields["id"])}.json">'
        "Download the result as JSON</a>"
    )
    note = f"<p>{html.escape(fields['note'])}</p>" if fields["note"] else ""
    return f"""<section><h2>The crop</h2>
{_figure(fields, found.files, "The crop")}
<p class="links">{" ".join(links)}</p>{note}</section>"""


def candidates(found: Found) -> str:
    """The next candidates as a gallery; "" where there are none."""
    others = found.fields["candidates"][1:]
    if not others:
        return ""
    items = "".join(
        "<li>"
        + _figure(each, found.files, f"Candidate {number}")
        + f'<p>Loss {_number(each["loss"]["total"])}</p><p class="links">'
        + _link(each["crop_file"], found.files, _sized("Download", found, each))
        + "</p></li>"
        for number, each in enumerate(others, 2)
    )
    return (
        f'<section><h2>The next candidates</h2><ol class="gallery" start="2">{items}</ol></section>'
    )


def why(found: Found, view: str) -> str:
    """Why this crop: its losses over the scales, the path of its centre, and the known words."""
    parts = [_losses_of_candidates(found)]
    if found.losses:
        parts.append(
            "<h3>The losses over the scales</h3>"
            f'<img src="{html.escape(found.losses)}" alt="{html.escape(_losses_in_words(found))}">'
        )
    parts.append(animation.html_of(found.result, view))
    if found.fields["caption"] is not None:
        parts.append(_words(found.fields))
    return f"<section><h2>Why this crop</h2>{''.join(parts)}</section>"


def comparison(scored: "Sequence[results.Candidate]", names: Sequence[str]) -> str:
    """The losses of crops side by side, and what the captioner sees in each."""
    rows = [
        [_LOSSES.get(name, name), *(_number(each.loss[name]) for each in scored)]
        for name in scored[0].loss
    ]
    rows.append(["the captioner sees", *(each.predicted_caption for each in scored)])
    table = _table("Losses of boxes in whole pixels; lower is better", ["", *names], rows)
    return f"<section><h2>Your box</h2>{table}</section>"


def _losses_of_candidates(found: Found) -> str:
    crops = found.fields["candidates"] or [found.fields]
    names = list(found.fields["loss"])
    rows = [
        ["the crop" if at == 1 else f"candidate {at}", *(_number(each["loss"][n]) for n in names)]
        for at, each in enumerate(crops, 1)
    ]
    headings = ["", *(_LOSSES.get(name, name) for name in names)]
    return _table("Losses; lower is better", headings, rows)


def _losses_in_words(found: Found) -> str:
    steps = found.result.path.steps
    if not steps:
        return "Plot: how the scan ranks crops of each of its scales"
    totals = [float(step.losses.total) for step in steps]
    return (
        f"Plot: the total loss at {len(steps)} scales, from {totals[0]:.3f} at the first to "
        f"{totals[-1]:.3f} at the last; the lowest is {min(totals):.3f}"
    )


def _words(fields: Mapping[str, Any]) -> str:
    matched = fields["matched_words"]
    nouns = (
        f"{noun} ({', '.join(classes[:3])}{', ...' if len(classes) > 3 else ''})"
        for noun, classes in matched["lexicon"].items()
    )
    read_as = (f"{word} as {known}" for word, known in matched.get("read_as", {}).items())
    unknown = (
        f"{word} (near it: {', '.join(near) or 'nothing'})"
        for word, near in fields["unknown_words"].items()
    )
    lists = {
        "The captioner knows": matched["captioner"],
        "The lexicon knows these nouns, by the kinds of things in brackets": nouns,
        "Read as another word": read_as,
        "Nothing knows": unknown,
    }
    items = "".join(_described(name, words) for name, words in lists.items())
    return f"<h3>Which words were known</h3><dl>{items}</dl>"


def _described(name: str, words: Iterable[str]) -> str:
    text = "; ".join(words)
    return f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" if text else ""


def _figure(crop: Mapping[str, Any], files: Mapping[str, str], name: str) -> str:
    seen = html.escape(crop["predicted_caption"])
    return f"""<figure><img src="{files[view_name(crop["crop_file"])]}" alt="{name}: {seen}">
<figcaption>The captioner sees: <q>{seen}</q></figcaption></figure>"""


def _link(name: str, files: Mapping[str, str], text: str) -> str:
    return f'<a href="{html.escape(files[name])}" download="{html.escape(name)}">{text}</a>'


def _number(loss: float) -> str:
    return f"{loss:.3f}".replace("-0.000", "0.000")


def _sized(text: str, found: Found, crop: Mapping[str, Any]) -> str:
    """With the size of the crop's file, which is that of its box unless another was asked for."""
    width, height = found.result.size or crop["box"][2:]
    return f"{text} ({width} × {height} pixels)"


def _table(caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column and row are headings; wide ones scroll on a phone."""
    head = "".join(f'<th scope="col">{html.escape(each)}</th>' for each in headings[1:])
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f"""<div class="wide" tabindex="0" role="region" aria-label="{html.escape(caption)}">
<table><caption>{html.escape(caption)}</caption><thead><tr><td></td>{head}</tr></thead>
<tbody>{body}</tbody></table></div>"""
