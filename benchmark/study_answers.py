"""The key of a study and its participants' answers, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.rankings import Places
from degradekit import manifest
from degradekit.errors import DataError

KEY_FORMAT: Literal["degradekit study key 1"] = "degradekit study key 1"
ANSWERS_FORMAT: Literal["degradekit study answers 1"] = "degradekit study answers 1"
#: Files named in one message.
NAMED = 5


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class KeyTrial(_Read):
    """A photograph and its outputs: token -> method."""

    photograph: str
    outputs: Annotated[dict[str, str], Field(min_length=2)]


class Key(_Read):
    """Which token is what.

    Args:
        study: the study's id.
        run: name of the run's folder.
        photographs: "test" or "real".
        oracle: the methods that were told where the damage is.
        trials: token -> photograph and outputs; all of the same methods.
    """

    format: Literal["degradekit study key 1"]
    study: str
    run: str
    photographs: Literal["test", "real"]
    oracle: list[str]
    trials: Annotated[dict[str, KeyTrial], Field(min_length=1)]

    @property
    def methods(self) -> list[str]:
        """The methods' names, sorted."""
        return sorted(next(iter(self.trials.values())).outputs.values())


class AnswerTrial(_Read):
    """How a participant ranked the outputs of a photograph.

    Args:
        trial: token of the photograph.
        ranking: tokens of the outputs, best first.
        seconds: how long it was looked at.
    """

    trial: str
    ranking: list[str]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Answers(_Read):
    """One participant's file.

    Args:
        study: id of the study.
        participant: a random name.
        trials: one per photograph, in the order they were shown.
    """

    format: Literal["degradekit study answers 1"]
    study: str
    participant: Annotated[str, Field(min_length=1)]
    trials: list[AnswerTrial]


_Kind = TypeVar("_Kind", Key, Answers)


def read_key(path: Path) -> Key:
    """The key of a study.

    Raises:
        DataError: the file is missing, damaged, or no key.
    """
    key = _read(path, Key)
    for trial in key.trials.values():
        if sorted(trial.outputs.values()) != key.methods or len(set(key.methods)) != len(key.methods):
            raise DataError(f"{path}: damaged (photograph '{trial.photograph}' has other methods)")
    return key


def read(paths: Sequence[Path], key: Key) -> list[Answers]:
    """The answers of all participants, sorted by their names.

    Raises:
        DataError: files that are missing, damaged, of another study, incomplete, or of one participant
            twice; the message names every one of them, up to a few, with the first rule it breaks.
    """
    found: dict[str, tuple[Path, Answers]] = {}
    faults = []
    for path in paths:
        try:
            answers = _read(path, Answers)
            if fault := _fault(answers, key):
                raise DataError(f"{path}: {fault}")
            if answers.participant in found:
                other = found[answers.participant][0]
                raise DataError(f"{path}: participant '{answers.participant}' answers in {other} already")
            found[answers.participant] = (path, answers)
        except DataError as error:
            faults.append(str(error))
    if len(faults) == 1:
        raise DataError(faults[0])
    if faults:
        more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise DataError(f"{len(faults)} files are no good: {'; '.join(faults[:NAMED])}{more}")
    return [answers for _, (_, answers) in sorted(found.items())]


def places(everybody: Sequence[Answers], key: Key) -> Places:
    """The place of every method, 0 = best: whole numbers (participants, photographs, methods).

    Photographs are in the order of the key, methods in that of ``key.methods``.
    """
    order = {method: index for index, method in enumerate(key.methods)}
    found = np.zeros((len(everybody), len(key.trials), len(order)), np.int64)
    for person, answers in enumerate(everybody):
        by_trial = {answer.trial: answer for answer in answers.trials}
        for number, (token, trial) in enumerate(key.trials.items()):
            for place, output in enumerate(by_trial[token].ranking):
                found[person, number, order[trial.outputs[output]]] = place
    return found


def _fault(answers: Answers, key: Key) -> str | None:
    """The first rule that answers break, with the value, or None."""
    if answers.study != key.study:
        return f"answers study '{answers.study}', the key is of '{key.study}'"
    seen = set()
    for answer in answers.trials:
        if answer.trial not in key.trials:
            return f"trial '{answer.trial}' is not in the study"
        if answer.trial in seen:
            return f"trial '{answer.trial}' is there twice"
        seen.add(answer.trial)
        if fault := _ranking_fault(answer.ranking, key.trials[answer.trial].outputs):
            return f"trial '{answer.trial}': {fault}"
    missing = [trial for trial in key.trials if trial not in seen]
    if missing:
        return f"{len(missing)} of {len(key.trials)} trials have no answer, '{missing[0]}' is the first"
    return None


def _ranking_fault(ranking: Sequence[str], outputs: Mapping[str, str]) -> str | None:
    for token in ranking:
        if token not in outputs:
            return f"output '{token}' is not one of its {len(outputs)}"
        if ranking.count(token) > 1:
            return f"output '{token}' is ranked twice"
    if len(ranking) < len(outputs):
        missing = next(token for token in outputs if token not in ranking)
        return f"{len(ranking)} of {len(outputs)} outputs are ranked, '{missing}' is not"
    return None


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    raw: Any = manifest.read_json(path)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        shown = repr(first["input"])
        shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
        raise DataError(f"{path}: {f'{place}: ' if place else ''}{first['msg']}, got {shown}") from None
