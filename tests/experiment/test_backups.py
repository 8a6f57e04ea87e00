"""Backups of labels: when they are made, which are kept, and what is refused."""

import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from glissile.defects import DEFAULT_CLASSES
from glissile.errors import InputError
from glissile.experiment import Experiment, MaskStore, backups
from glissile.experiment.backups import back_up, listed, restoring

SHAPE = (20, 12, 16)


def mask(value):
    return np.full(SHAPE[1:], value, np.uint8)


@pytest.fixture
def labels(tmp_path):
    return MaskStore.create(tmp_path / "labels.zarr", SHAPE)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "backups"


@pytest.fixture
def clock(monkeypatch):
    """The time that backups are made at, to be set."""

    class Clock(datetime):
        at = datetime(2025, 3, 1, 12, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.at

    monkeypatch.setattr(backups, "datetime", Clock)
    return Clock


def content(path):
    store = MaskStore.open(path, read_only=True)
    return {frame: int(store.read(frame)[0, 0]) for frame in store.frames}


def restored(backup, labels):
    with restoring(backup.path, labels.path, SHAPE):
        pass
    return content(labels.path)


def test_labels_come_back_as_they_were(labels, folder):
    for frame, value in ((3, 1), (17, 2), (4, 0)):
        labels.write(frame, mask(value))
    made = back_up(labels.path, folder, DEFAULT_CLASSES)
    assert made.frames == (3, 4, 17)
    assert made.classes == DEFAULT_CLASSES
    assert abs(datetime.now(UTC) - made.made_at) < timedelta(minutes=5)
    labels.write(3, mask(9))
    labels.remove(17)
    labels.write(5, mask(1))
    assert restored(made, labels) == {3: 1, 4: 0, 17: 2}
    shutil.rmtree(labels.path)
    assert restored(made, labels) == {3: 1, 4: 0, 17: 2}


def test_a_backup_can_be_unpacked_by_hand(labels, folder, tmp_path):
    labels.write(3, mask(1))
    made = back_up(labels.path, folder, DEFAULT_CLASSES)
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(tmp_path / "by hand")
    assert content(tmp_path / "by hand" / "labels.zarr") == {3: 1}


def test_what_is_the_same_or_nothing_is_not_backed_up(labels, folder):
    assert back_up(labels.path, folder, DEFAULT_CLASSES) is None
    assert not folder.exists()
    labels.write(3, mask(1))
    assert back_up(labels.path, folder, DEFAULT_CLASSES) is not None
    labels.write(3, mask(1))
    assert back_up(labels.path, folder, DEFAULT_CLASSES) is None
    labels.write(3, mask(2))
    assert back_up(labels.path, folder, DEFAULT_CLASSES) is not None
    labels.write(3, mask(1))  # as it was once, but not in the latest
    assert back_up(labels.path, folder, DEFAULT_CLASSES) is not None
    assert len(listed(folder)) == 3
    assert back_up(folder / "missing.zarr", folder, DEFAULT_CLASSES) is None


def test_the_latest_and_the_first_of_each_of_the_latest_days_are_kept(labels, folder, clock):
    made = []
    for day in range(20):
        for hour in range(3):
            clock.at = datetime(2025, 3, 1 + day, 9 + hour).astimezone()
            labels.write(0, mask(1 + len(made)))
            made.append((day, hour, back_up(labels.path, folder, DEFAULT_CLASSES).made_at))
    kept = {backup.made_at for backup in listed(folder)}
    latest = {at for _, _, at in made[-10:]}
    mornings = {at for day, hour, at in made if hour == 0 and day >= 6}
    assert kept == latest | mornings
    assert [backup.made_at for backup in listed(folder)] == sorted(kept, reverse=True)


def test_backups_of_one_moment_have_names_of_their_own(labels, folder, clock):
    for value in (1, 2, 3):
        labels.write(0, mask(value))
        back_up(labels.path, folder, DEFAULT_CLASSES)
    found = listed(folder)
    assert len({backup.name for backup in found}) == 3
    assert restored(found[0], labels) == {0: 3}


def test_a_backup_that_cannot_be_written_leaves_the_others(labels, folder, monkeypatch):
    labels.write(0, mask(1))
    back_up(labels.path, folder, DEFAULT_CLASSES)
    before = sorted(path.name for path in folder.iterdir())
    labels.write(0, mask(2))

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        back_up(labels.path, folder, DEFAULT_CLASSES)
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.fixture
def backup(labels, folder):
    for frame in range(4):
        labels.write(frame, np.random.default_rng(frame).integers(0, 3, SHAPE[1:]).astype(np.uint8))
    return back_up(labels.path, folder, DEFAULT_CLASSES)


def rewritten(path, change):
    """Write the archive anew, with `change(name, content)` in place of each content; None leaves it out."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, before in members.items():
            if (after := change(name, before)) is not None:
                archive.writestr(zipfile.ZipInfo(name), after)


def about(**changes):
    return lambda name, text: (
        json.dumps({**json.loads(text), **changes}).encode() if name == "labels.json" else text
    )


def test_no_damage_of_any_byte_gets_into_the_labels(labels, backup):
    labels.write(0, mask(7))
    before = {frame: labels.read(frame) for frame in labels.frames}
    whole = backup.path.read_bytes()
    saved = {frame: np.random.default_rng(frame).integers(0, 3, SHAPE[1:]) for frame in range(4)}
    rng = np.random.default_rng(0)
    refused = 0
    for cut in (*rng.integers(0, len(whole), 60).tolist(), -1):
        damaged = bytearray(whole[:cut] if cut % 2 else whole)
        if not cut % 2:
            damaged[cut] ^= 1 << int(rng.integers(8))
        backup.path.write_bytes(damaged)
        try:
            with restoring(backup.path, labels.path, SHAPE) as store:
                for frame in store.frames:  # of harmless damage, as in a time that nobody reads
                    np.testing.assert_array_equal(store.read(frame), saved[frame])
                raise KeyError("back")
        except InputError:
            refused += 1
        except KeyError:
            pass
        for frame, expected in before.items():
            np.testing.assert_array_equal(labels.read(frame), expected)
    assert refused > 40
    assert sorted(path.name for path in labels.path.parent.iterdir()) == ["backups", "labels.zarr"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda name, text: None if name == "labels.json" else text, "damaged"),
        (lambda name, text: b"[1]" if name == "labels.json" else text, "damaged"),
        (lambda name, text: b" " * 2**21 + text if name == "labels.json" else text, "damaged"),
        (about(shape=[20, 12, 17]), "of a video of 20 frames of 12 x 17 px, this one has"),
        (about(shape=[3, 12, 16]), "damaged"),
        (about(made_at="2025-03-01T12:00:00"), "damaged"),
        (lambda name, text: text[:-3] if "c.2." in name else text, "mask of frame 2 in it is damaged"),
        (lambda name, text: b"" if "c.2." in name else text, "mask of frame 2 in it is damaged"),
    ],
)
def test_a_backup_that_is_wrong_is_refused_in_a_sentence(labels, backup, change, why):
    labels.write(0, mask(7))
    before = content(labels.path)
    rewritten(backup.path, change)
    with pytest.raises(InputError, match=why), restoring(backup.path, labels.path, SHAPE):
        pass
    assert content(labels.path) == before


def test_what_is_packed_tightly_is_refused_before_it_is_unpacked(labels, backup):
    with zipfile.ZipFile(backup.path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.json", b" " * 2**26)
    assert "damaged" in listed(backup.path.parent)[0].problem


def test_names_in_a_backup_lead_nowhere_else(labels, backup, tmp_path):
    with zipfile.ZipFile(backup.path, "a") as archive:
        archive.writestr("labels.zarr/../../outside", b"x")
        archive.writestr("/c.1.0.0", b"x")
    with restoring(backup.path, labels.path, SHAPE):
        pass
    assert labels.frames == (0, 1, 2, 3)
    assert not list(tmp_path.rglob("outside"))


def test_a_damaged_backup_is_listed_and_does_not_stand_for_the_labels(labels, backup, folder):
    backup.path.write_bytes(b"PK half a file")
    assert "damaged" in listed(folder)[0].problem
    again = back_up(labels.path, folder, DEFAULT_CLASSES)
    assert again.frames == (0, 1, 2, 3)
    assert backup.path.exists()


def test_opening_for_writing_backs_up_and_reading_does_not(experiment):
    folder = experiment.folder
    experiment.labels().write(3, np.ones((12, 16), np.uint8))
    experiment.close()
    with Experiment.open(folder, read_only=True) as opened:
        assert not opened.backups_folder.exists()
    with Experiment.open(folder) as opened, Experiment.open(folder) as second:
        assert len(listed(opened.backups_folder)) == 1
        assert second.read_only
        opened.labels().write(4, np.ones((12, 16), np.uint8))
    with Experiment.open(folder) as opened:
        assert [backup.frames for backup in listed(opened.backups_folder)] == [(3, 4), (3,)]
        (opened.backups_folder / ".writing-half.zip").write_bytes(b"half")
    with Experiment.open(folder) as opened:
        assert len(list(opened.backups_folder.iterdir())) == 2


def test_an_experiment_opens_where_its_labels_cannot_be_backed_up(experiment, monkeypatch):
    folder = experiment.folder
    experiment.labels().write(3, np.ones((12, 16), np.uint8))
    experiment.close()
    folder.joinpath("backups").write_text("in the way", encoding="utf-8")
    with Experiment.open(folder) as opened:
        assert not opened.read_only
        assert "could not be backed up" in opened.backup_problem
        assert opened.labels().frames == (3,)
