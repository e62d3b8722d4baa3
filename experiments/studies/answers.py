"""People's answers, out of Label Studio's export as JSON: who answered which task with what.

The export is a list of tasks, each with its `data` as they were imported and with `annotations`.
Of these count `completed_by`, the number of who made it, `result`, a list of what was drawn,
written or chosen, `was_cancelled`, that the task was skipped, and `lead_time`, the seconds that it
took.
"""

import collections
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.data import annotations
from experiments.errors import ExperimentError
from experiments.studies.folder import Study

SKIPPED, TWICE = "skipped", "answered twice"


class Answer(NamedTuple):
    """What a person answered to a task.

    Attributes:
      task: The task's number.
      person: Who answered, by the number that Label Studio gave them.
      result: What was drawn, written or chosen, as Label Studio has it.
      seconds: How long it took; None where that is not known.
    """

    task: int
    person: str
    result: list[dict[str, Any]]
    seconds: float | None


class Problem(NamedTuple):
    """An answer that does not count.

    Attributes:
      task: The task's number.
      person: Whose answer.
      what: What is wrong with it, in a few words.
    """

    task: int
    person: str
    what: str


class Answers(NamedTuple):
    """What an export holds.

    Attributes:
      people: Who answered, in the order of their numbers.
      found: The answers, in the order of tasks and people; one of each person to each task at most.
      problems: Those that do not count.
    """

    people: list[str]
    found: list[Answer]
    problems: list[Problem]


def read(path: Path, study: Study, chosen: Sequence[str] | None) -> Answers:
    """Reads an export.

    A person's two answers to one task are a problem, and neither counts.

    Args:
      path: The export.
      study: The study that it is of.
      chosen: The people to read; None: all.

    Raises:
      ExperimentError: It is no such export or of another study, nobody has answered, or more people
        than the study is for.
    """
    given: dict[tuple[int, str], list[Answer | None]] = collections.defaultdict(list)
    try:
        for task in _tasks(path, study):
            number = task["data"]["task"]
            for annotation in task["annotations"]:
                answer = _answer(number, annotation)
                skipped = annotation.get("was_cancelled")
                given[number, answer.person].append(None if skipped else answer)
    except annotations.MALFORMED as error:
        raise _malformed(path) from error
    everyone = sorted({person for _, person in given}, key=_order)
    people = _people(path, everyone, chosen, study.people)
    found, problems = [], []
    for task, person in sorted(given, key=lambda key: (key[0], _order(key[1]))):
        made = given[task, person]
        if person not in people:
            continue
        if len(made) > 1:
            problems.append(Problem(task, person, TWICE))
        elif made[0] is None:
            problems.append(Problem(task, person, SKIPPED))
        else:
            found.append(made[0])
    return Answers(people, found, problems)


def each(study: Study, given: Answers) -> Iterator[tuple[dict[str, Any], str, Answer | None]]:
    """Each task with each person and their answer, None where there is none.

    Those that are a problem already are left out. The order is that of the tasks and people.

    Args:
      study: The study.
      given: Its answers.
    """
    answered = {(answer.task, answer.person): answer for answer in given.found}
    wrong = {(problem.task, problem.person) for problem in given.problems}
    for task in study.tasks:
        for person in given.people:
            if (task["task"], person) not in wrong:
                yield task, person, answered.get((task["task"], person))


def of_type(answer: Answer, kind: str) -> list[dict[str, Any]]:
    """The parts of an answer of a kind: "rectangle", "textarea" or "choices"."""
    return [part for part in answer.result if part.get("type") == kind]


def problem_notes(problems: Iterable[Problem], names: dict[int, str]) -> list[str]:
    """A line for each person and what is wrong, with the names of the rows.

    Args:
      problems: What is wrong.
      names: Task number to the name of its row.
    """
    grouped: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for problem in problems:
        grouped[problem.person, problem.what].append(names[problem.task])
    return [
        f"Annotator {person}, {what}: {', '.join(grouped[person, what])}."
        for person, what in sorted(grouped, key=lambda key: (_order(key[0]), key[1]))
    ]


def time_note(found: Iterable[Answer]) -> list[str]:
    """How long an answer takes, in a sentence; none where the export does not say."""
    seconds = [answer.seconds for answer in found if answer.seconds is not None]
    return [f"An answer took {statistics.median(seconds):.0f} s (median)."] if seconds else []


def _tasks(path: Path, study: Study) -> list[dict[str, Any]]:
    tasks = annotations.read_json(path)
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("annotations"), list) for task in tasks
    ):
        raise _malformed(path)
    known = {task["task"] for task in study.tasks}
    for task in tasks:
        data = task["data"]
        if data.get("study") != study.id or data.get("task") not in known:
            raise ExperimentError(
                f"{path} is of another study than this folder's: its tasks say "
                f"{data.get('study')!r}, and {study.id!r} is needed"
            )
    return tasks


def _malformed(path: Path) -> ExperimentError:
    return ExperimentError(
        f"{path} is no export of Label Studio as JSON; choose JSON there, not JSON-MIN or CSV"
    )


def _answer(task: int, annotation: dict[str, Any]) -> Answer:
    by = annotation["completed_by"]
    by = by["id"] if isinstance(by, dict) else by
    if not isinstance(by, int | str) or isinstance(by, bool):
        raise ValueError(f"completed_by is {by!r}")
    result = annotation["result"]
    if not all(isinstance(part, dict) for part in result):
        raise ValueError(f"the result is {result!r}")
    seconds = annotation.get("lead_time")
    return Answer(task, str(by), result, None if seconds is None else float(seconds))


def _people(
    path: Path, everyone: Sequence[str], chosen: Sequence[str] | None, wanted: int
) -> list[str]:
    people = list(everyone)
    if chosen is not None:
        missing = [person for person in chosen if person not in everyone]
        if missing:
            raise ExperimentError(
                f"--annotators has {', '.join(missing)}, who answered nothing in {path}; "
                f"there are {', '.join(everyone) or 'none'}"
            )
        people = [person for person in everyone if person in chosen]
    if not people:
        raise ExperimentError(f"nobody has answered a task in {path}")
    if chosen is None and len(people) > wanted:
        raise ExperimentError(
            f"{len(people)} people answered in {path} ({', '.join(people)}), and the study is for "
            f"{wanted}; say by --annotators whose answers count"
        )
    return people


def _order(person: str) -> tuple[int, str]:
    return (int(person), "") if person.isdecimal() else (10**9, person)
