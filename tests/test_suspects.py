"""Suspects of an experiment: found by a network that has learned what can be seen, dismissed, printed."""

import re
import shutil

import numpy as np
import pytest

from commands import glissile
from glissile import workflow
from glissile.errors import InputError
from glissile.experiment import Experiment
from glissile.progress import finish
from trained_study import HELD_OUT, LEARNED, T, drawn, trained_study


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Experiment folder whose labels and network agree."""
    return trained_study(tmp_path_factory.mktemp("suspects"))


@pytest.fixture
def folder(trained, tmp_path):
    shutil.copy(trained.parent / "test.tif", tmp_path)
    copied = tmp_path / trained.name
    shutil.copytree(trained, copied)
    return copied


def spoil(folder, number, change):
    with Experiment.open(folder) as experiment:
        mask = drawn(number)
        change(mask)
        experiment.labels().write(number, mask)


def found(folder):
    seen = []
    return finish(workflow.suspects_in(folder), seen.append), seen


def test_right_labels_are_no_suspects(folder):
    suspects, steps = found(folder)
    assert suspects == ()
    assert [step.frame for step in steps] == list(range(T))
    agreement = np.mean([np.mean(step.preview == drawn(step.frame)) for step in steps])
    assert agreement > 0.9


def test_mistakes_are_found_where_they_are_and_how_honestly_is_told(folder):
    def miss(mask):
        mask[mask == 2] = 0

    def invent(mask):
        mask[22:25, 10:50] = 1

    spoil(folder, HELD_OUT, miss)
    spoil(folder, LEARNED, invent)
    (one, two), _ = found(folder)
    by_frame = {s.frame_number: s for s in (one, two)}
    missed, invented = by_frame[HELD_OUT], by_frame[LEARNED]
    assert (missed.kind, missed.value, missed.learned) == ("unlabelled", 2, False)
    assert (invented.kind, invented.value, invented.learned) == ("unseen", 1, True)
    assert 30 <= missed.centre[0] < 38
    assert 22 <= invented.centre[0] < 25


def test_what_was_dismissed_stays_away_until_the_label_changes_there(folder):
    spoil(folder, HELD_OUT, lambda mask: np.copyto(mask, 0, where=mask == 2))
    (suspect,), _ = found(folder)
    with Experiment.open(folder) as experiment:
        workflow.dismiss_suspect(experiment, suspect)
    assert found(folder)[0] == ()

    def elsewhere(mask):
        mask[mask == 2] = 0
        mask[:2] = 1

    spoil(folder, HELD_OUT, elsewhere)
    assert [s.kind for s in found(folder)[0] if s.value == 2] == []

    def there(mask):
        mask[mask == 2] = 0
        mask[33, 20] = 2

    spoil(folder, HELD_OUT, there)
    assert [s.kind for s in found(folder)[0] if s.value == 2] == ["unlabelled"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"dismissed": [1]}', b"\xff\xfe"])
def test_a_damaged_list_dismisses_nothing(folder, content):
    spoil(folder, HELD_OUT, lambda mask: np.copyto(mask, 0, where=mask == 2))
    (folder / "dismissed_suspects.json").write_bytes(content)
    assert len(found(folder)[0]) == 1


def test_read_only_keeps_nothing(folder):
    spoil(folder, HELD_OUT, lambda mask: np.copyto(mask, 0, where=mask == 2))
    (suspect,), _ = found(folder)
    with (
        Experiment.open(folder, read_only=True) as experiment,
        pytest.raises(InputError, match="reading only"),
    ):
        workflow.dismiss_suspect(experiment, suspect)


def test_without_a_network_or_labels_it_is_said(folder):
    with Experiment.open(folder) as experiment:
        store = experiment.labels()
        for number in range(T):
            store.remove(number)
    with pytest.raises(InputError, match="no frame is labelled yet"):
        found(folder)
    shutil.rmtree(folder / "models")
    with pytest.raises(InputError, match="no trained model yet; train one first"):
        found(folder)


def test_the_command_prints_a_line_each(folder):
    agreed = glissile("labels", "suspects", folder)
    assert (agreed.code, agreed.out) == (0, "labels and network agree\n")

    def both(mask):
        mask[mask == 2] = 0
        mask[22:25, 10:30] = 1

    spoil(folder, HELD_OUT, both)
    first, second, last = glissile("labels", "suspects", folder).out.splitlines()
    place = rf"frame {HELD_OUT}, y \d+, x \d+: "
    assert re.fullmatch(rf"{place}stacking fault not labelled, \d+ px \(held out\)", first)
    assert re.fullmatch(rf"{place}dislocation not found, \d+ px \(held out\)", second)
    assert re.fullmatch(rf"frames with most disagreement: {HELD_OUT} \(\d+ px\)", last)
    assert "and 1 more" in glissile("labels", "suspects", folder, "--count", 1).out.splitlines()[1]


def test_the_command_refuses_where_there_is_no_network(folder):
    shutil.rmtree(folder / "models")
    refused = glissile("labels", "suspects", folder)
    assert refused.code == 2
    assert refused.err.endswith("there is no trained model yet; train one first\n")
