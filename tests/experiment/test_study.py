import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Calibration, Experiment, MaskStore, Source, document
from glissile.video import Trim


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(40, ge=1)
    minutes: float | None = 5.0


def test_a_study_is_made_changed_and_opened_again(tmp_path, source):
    twin = DefectClass(value=1, name="twin", color="#009e73")
    with Experiment.create(
        tmp_path / "8.4μm grains", source=source, calibration=Calibration(nm_per_pixel=2.0), classes=[twin]
    ) as made:
        folder = made.folder
        assert folder == tmp_path / "8.4μm grains.glissile"
        made.save_settings("trim", Trim(top=3))
        made.save_settings("train", Recipe(minutes=None))
        made.update(calibration=Calibration(nm_per_pixel=3.0, seconds_per_frame=0.05))
        kept = made.document
        assert not made.read_only
    assert sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) == ["experiment.toml"]
    with Experiment.open(folder) as opened:
        assert opened.document == kept
        assert opened.document.calibration.nm_per_pixel == 3.0
        assert opened.document.classes == (twin,)
        assert opened.settings("trim", Trim) == Trim(top=3)
        assert opened.settings("train", Recipe) == Recipe(minutes=None)
        assert opened.settings("segment", Recipe) == Recipe()
        assert {"python", "numpy", "zarr"} <= set(opened.document.versions)


def test_the_suffix_is_added_once(tmp_path, source):
    for name in ("a", "b.glissile"):
        Experiment.create(tmp_path / name, source=source).close()
    assert {p.name for p in tmp_path.glob("*.glissile")} == {"a.glissile", "b.glissile"}


@pytest.mark.parametrize("name", ["8.4μm", "8.4μm.glissile", "8.4μm.GLISSILE"])
def test_an_experiment_is_opened_by_the_name_it_was_made_by(tmp_path, source, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = Experiment.create(Path(name), source=source).folder
    assert folder.name.lower() == "8.4μm.glissile"
    for called in (Path(name), tmp_path / name, folder):
        with Experiment.open(called) as opened:
            assert opened.folder == folder
    monkeypatch.chdir(folder)
    assert Experiment.open(Path()).folder == folder
    with pytest.raises(InputError, match="exists already"):
        Experiment.create(tmp_path / name, source=source)


def test_a_folder_of_the_bare_name_beside_the_experiment_does_no_harm(tmp_path, source):
    (tmp_path / "a").mkdir()
    Experiment.create(tmp_path / "a", source=source).close()
    assert Experiment.open(tmp_path / "a").folder == tmp_path / "a.glissile"


def test_an_experiment_renamed_to_have_no_suffix_is_still_one(tmp_path, experiment, source):
    experiment.close()
    bare = experiment.folder.rename(tmp_path / "bare")
    assert Experiment.open(bare).folder == bare
    with pytest.raises(InputError, match="bare: exists already"):
        Experiment.create(bare, source=source)


def test_an_experiment_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(InputError, match=r"gone.glissile: there is no such experiment; check its name"):
        Experiment.open(tmp_path / "gone.glissile")


def test_an_experiment_that_is_not_there_is_called_as_it_was(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("gone", "empty"):
        said = f"{name}: there is no such experiment, and none called {name}.glissile beside it"
        with pytest.raises(InputError, match=said):
            Experiment.open(tmp_path / name)


def test_long_paths_work(tmp_path, source):
    folder = tmp_path / ("a" * 60) / ("b " * 30 + "b") / ("γ" * 60)
    with Experiment.create(folder, source=source) as made:
        made.labels().write(3, np.ones((12, 16), np.uint8))
    with Experiment.open(made.folder) as opened:
        assert opened.labels_or_none().frames == (3,)


def test_a_folder_in_use_is_not_overwritten(tmp_path, experiment, source):
    before = (experiment.folder / "experiment.toml").read_bytes()
    with pytest.raises(InputError, match="exists already; open it, or choose another name"):
        Experiment.create(experiment.folder, source=source)
    assert (experiment.folder / "experiment.toml").read_bytes() == before
    (tmp_path / "file.glissile").touch()
    with pytest.raises(InputError, match="cannot be made"):
        Experiment.create(tmp_path / "file", source=source)


def test_a_folder_left_by_a_killed_creation_can_be_used(tmp_path, source):
    folder = tmp_path / "study.glissile"
    folder.mkdir()
    for name in (".lock", ".lock.json", ".writing-1.toml"):
        (folder / name).touch()
    with Experiment.create(folder, source=source) as made:
        assert not made.read_only


def test_two_classes_of_one_value_are_refused_before_anything_is_made(tmp_path, source):
    twice = [DefectClass(value=1, name=n, color="#000000") for n in "ab"]
    with pytest.raises(InputError, match="two classes have the value 1"):
        Experiment.create(tmp_path / "study", source=source, classes=twice)
    assert not (tmp_path / "study.glissile").exists()


def test_what_is_no_study_is_refused_and_nothing_is_written_there(tmp_path):
    folder = tmp_path / "empty.glissile"
    folder.mkdir()
    with pytest.raises(InputError, match=r"is not an experiment, it has no experiment\.toml"):
        Experiment.open(folder)
    assert list(folder.iterdir()) == []


def test_a_newer_study_is_refused_untouched(experiment):
    experiment.close()
    path = experiment.folder / "experiment.toml"
    newer = path.read_text(encoding="utf-8").replace("schema_version = 2", "schema_version = 9\nnew = 1")
    path.write_text(newer, encoding="utf-8")
    (experiment.folder / ".writing-x").touch()
    before = sorted((p.name, p.stat().st_mtime_ns) for p in experiment.folder.iterdir())
    for read_only in (False, True):
        with pytest.raises(InputError, match="written by a newer napari-glissile"):
            Experiment.open(experiment.folder, read_only=read_only)
    assert sorted((p.name, p.stat().st_mtime_ns) for p in experiment.folder.iterdir()) == before


def test_an_older_study_is_migrated_by_a_writer_only(experiment, monkeypatch):
    experiment.close()
    path = experiment.folder / "experiment.toml"
    old = path.read_bytes()
    monkeypatch.setattr(document, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(document, "MIGRATIONS", {2: lambda raw: {**raw, "versions": {"from": "1"}}})
    with Experiment.open(experiment.folder, read_only=True) as reader:
        assert reader.document.versions == {"from": "1"}
    assert path.read_bytes() == old
    with Experiment.open(experiment.folder) as writer:
        assert writer.document.schema_version == 3
    assert (experiment.folder / "experiment-of-schema-2.toml").read_bytes() == old


def test_an_invalid_change_changes_nothing(experiment):
    before, kept = (experiment.folder / "experiment.toml").read_bytes(), experiment.document
    with pytest.raises(InputError, match='no setting "colours"; allowed are'):
        experiment.update(colours=1)
    with pytest.raises(InputError, match="two classes have the value 1"):
        experiment.update(classes=[*kept.classes, kept.classes[0]])
    assert (experiment.folder / "experiment.toml").read_bytes() == before
    assert experiment.document is kept


def test_the_highest_value_of_a_class_is_known_after_it_was_removed(experiment):
    kept = experiment.document.classes
    assert experiment.document.highest_class_value == 2
    experiment.update(classes=(*kept, DefectClass(value=9, name="crack", color="#ff0000")))
    experiment.update(classes=kept)
    experiment.update(calibration=Calibration())
    assert experiment.document.highest_class_value == 9
    experiment.close()
    with Experiment.open(experiment.folder) as opened:
        assert opened.document.highest_class_value == 9
        opened.update(classes=(*kept, DefectClass(value=3, name="crack", color="#ff0000")))
        assert opened.document.highest_class_value == 9


def test_settings_of_a_stage_edited_by_hand_are_checked_where_they_are_used(experiment):
    experiment.save_settings("train", Recipe())
    experiment.close()
    path = experiment.folder / "experiment.toml"
    content = path.read_text(encoding="utf-8")
    for edit, message in (
        ("epochs = 0", r'experiment.toml, \[stages.train\]: the setting "epochs" cannot be 0'),
        ("epoch = 9", r'\[stages.train\]: there is no setting "epoch"; allowed are epochs, minutes'),
    ):
        path.write_text(content.replace("epochs = 40", edit), encoding="utf-8")
        with Experiment.open(experiment.folder) as opened:
            assert opened.settings("trim", Trim) == Trim()
            with pytest.raises(InputError, match=message):
                opened.settings("train", Recipe)


def test_threads_may_change_different_settings(experiment):
    def save(stage):
        experiment.save_settings(stage, Recipe(epochs=int(stage[1:])))

    threads = [threading.Thread(target=save, args=(f"s{i}",)) for i in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Experiment.open(experiment.folder, read_only=True) as reader:
        assert {s: v["epochs"] for s, v in reader.document.stages.items()} == {
            f"s{i}": i for i in range(1, 7)
        }


# --- one writer


def writes(opened):
    return [
        lambda: opened.update(versions={}),
        lambda: opened.save_settings("trim", Trim()),
        lambda: opened.labels(),
        lambda: opened.new_segmentation((20, 12, 16), {}),
        lambda: opened.relocate_source(opened.source_path()),
    ]


def test_a_second_opener_in_the_same_process_only_reads(experiment):
    with Experiment.open(experiment.folder) as second:
        assert second.read_only
        assert second.locked_by == f"{socket.gethostname()}, process {os.getpid()}"
        for write in writes(second):
            with pytest.raises(
                InputError, match=r"study.glissile: can only be read, it is held by .*process"
            ):
                write()
        assert second.labels_or_none() is None
        experiment.labels().write(5, np.ones((12, 16), np.uint8))
        labels = second.labels_or_none()
        assert labels.frames == (5,)
        with pytest.raises(InputError, match="held by"):
            labels.write(5, labels.read(5))
    experiment.close()
    with Experiment.open(experiment.folder) as third:
        assert not third.read_only
        assert third.locked_by is None


def test_closing_a_reader_leaves_the_writer_its_lock(experiment):
    for read_only in (False, True):
        Experiment.open(experiment.folder, read_only=read_only).close()
    assert (
        json.loads((experiment.folder / ".lock.json").read_text(encoding="utf-8"))["process"] == os.getpid()
    )
    assert Experiment.open(experiment.folder).read_only


def test_a_study_opened_for_reading_says_so(experiment):
    experiment.close()
    with Experiment.open(experiment.folder, read_only=True) as reader:
        assert reader.locked_by is None
        for write in writes(reader):
            with pytest.raises(InputError, match="opened for reading only, so nothing can be changed"):
                write()
        with Experiment.open(experiment.folder) as writer:
            assert not writer.read_only


def test_a_closed_study_no_longer_writes(experiment):
    experiment.close()
    experiment.close()
    with pytest.raises(InputError, match="nothing can be changed"):
        experiment.update(versions={})
    assert not (experiment.folder / ".lock.json").exists()


def test_the_lock_may_be_given_back_by_another_thread(experiment):
    thread = threading.Thread(target=experiment.close)
    thread.start()
    thread.join()
    assert not (experiment.folder / ".lock.json").exists()
    with Experiment.open(experiment.folder) as opened:
        assert not opened.read_only


def test_a_forgotten_study_does_not_stay_locked(tmp_path, source):
    folder = Experiment.create(tmp_path / "study", source=source).folder
    gc.collect()
    with Experiment.open(folder) as opened:
        assert not opened.read_only


@pytest.mark.parametrize("note", ["", "[1]", '{"host": "a"}'])
def test_an_unreadable_note_of_the_holder_does_no_harm(experiment, note):
    (experiment.folder / ".lock.json").write_text(note, encoding="utf-8")
    with Experiment.open(experiment.folder) as second:
        assert second.locked_by == "another program"


def test_a_folder_without_write_permission_is_opened_for_reading(experiment, monkeypatch):
    experiment.close()

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", denied)
    with Experiment.open(experiment.folder) as opened:
        assert opened.read_only
        assert opened.locked_by is None
        with pytest.raises(
            InputError, match=r"can only be read, the folder cannot be written to \(Permission"
        ):
            opened.update(versions={})
    with pytest.raises(InputError, match=r"other.glissile: cannot be written to \(Permission denied\)"):
        Experiment.create(experiment.folder.with_name("other"), source=experiment.document.source)


def test_the_lock_is_free_again_after_a_failed_open(experiment, monkeypatch):
    experiment.close()
    monkeypatch.setattr("glissile.experiment.study.migrate_file", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Experiment.open(experiment.folder)
    monkeypatch.undo()
    with Experiment.open(experiment.folder) as opened:
        assert not opened.read_only


HOLDER = """
import sys
from pathlib import Path
from glissile.experiment import Experiment
opened = Experiment.open(Path(sys.argv[1]))
print(opened.read_only, flush=True)
sys.stdin.read()
"""


def test_another_process_holds_the_lock_until_it_is_killed(experiment):
    folder = experiment.folder
    experiment.close()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == "False\n"
            with Experiment.open(folder) as second:
                assert second.locked_by == f"{socket.gethostname()}, process {process.pid}"
        finally:
            process.kill()
    assert (folder / ".lock.json").exists()
    with Experiment.open(folder) as opened:
        assert not opened.read_only


def test_what_a_killed_process_left_is_tidied_by_the_next_writer(experiment):
    experiment.labels().write(3, np.ones((12, 16), np.uint8))
    masks = experiment.new_segmentation((20, 6, 8), {})
    masks.write(2, np.ones((6, 8), np.uint8))
    experiment.close()
    model = experiment.models_folder / "unet"
    model.mkdir(parents=True)
    folders = (experiment.folder, experiment.labels_path, masks.path, experiment.models_folder, model)
    left = [folder / ".writing-a" for folder in folders]
    for path in left:
        path.touch()
    masks.path.rename(masks.path.with_name(".replaced-segmentation.zarr"))
    with Experiment.open(experiment.folder, read_only=True) as reader:
        assert reader.segmentation_or_none() is None
    assert left[0].exists()
    with Experiment.open(experiment.folder) as opened:
        assert opened.labels_or_none().frames == (3,)
        assert opened.segmentation_or_none().frames == (2,)
    assert not any(path.exists() for path in left)


# --- masks


def test_labels_are_made_once_with_the_size_of_the_source(experiment):
    assert experiment.labels_or_none() is None
    made = experiment.labels()
    assert made.shape == (20, 12, 16)
    made.write(1, np.ones((12, 16), np.uint8))
    assert experiment.labels().frames == experiment.labels_or_none().frames == (1,)


def test_labels_of_another_video_are_refused(experiment):
    MaskStore.create(experiment.labels_path, (20, 10, 16))
    for opened in (experiment.labels, experiment.labels_or_none):
        with pytest.raises(
            InputError,
            match="belong to a video of 20 frames of 10 x 16 px, the source has 20 frames of 12 x 16 px",
        ):
            opened()


def test_a_new_segmentation_replaces_the_old_one(experiment):
    assert experiment.segmentation_or_none() is None
    experiment.new_segmentation((20, 12, 16), {"model": "a"}).write(1, np.ones((12, 16), np.uint8))
    assert experiment.segmentation_or_none().frames == (1,)
    new = experiment.new_segmentation((20, 6, 8), {"model": "b"})
    new.write(4, np.ones((6, 8), np.uint8))
    kept = experiment.segmentation_or_none()
    assert (kept.frames, kept.shape, kept.attributes["model"]) == ((4,), (20, 6, 8), "b")


def test_a_store_that_was_replaced_takes_no_mask_of_the_old_size(experiment):
    old = experiment.new_segmentation((20, 12, 16), {})
    old.write(1, np.ones((12, 16), np.uint8))
    new = experiment.new_segmentation((20, 6, 8), {})
    new.write(1, np.ones((6, 8), np.uint8))
    with pytest.raises(InputError, match="was replaced by masks of another size; open it again"):
        old.write(1, np.ones((12, 16), np.uint8))
    assert new.read(1).all()
    new.write(2, np.ones((6, 8), np.uint8))
    assert new.frames == (1, 2)


# --- source video


def test_an_untouched_source_is_found_unchanged(experiment, video_file):
    assert experiment.source_path() == video_file
    assert experiment.source_changed() is None


def test_a_pair_moved_together_is_found(experiment, video_file, tmp_path):
    experiment.close()
    moved = tmp_path / "elsewhere μ"
    moved.mkdir()
    shutil.move(video_file, moved)
    shutil.move(experiment.folder, moved)
    with Experiment.open(moved / "study.glissile") as opened:
        assert opened.source_path() == (moved / "video.mp4").resolve()
        assert opened.source_changed() is None


def test_a_moved_source_is_said_so_and_can_be_found_again(experiment, video_file, tmp_path):
    new = tmp_path / "archive" / "renamed.mp4"
    new.parent.mkdir()
    shutil.move(video_file, new)
    with pytest.raises(
        InputError, match=r"study.glissile: the source video is no longer at .*video.mp4"
    ) as told:
        experiment.source_path()
    assert f'glissile relocate "{experiment.folder}" VIDEO' in str(told.value)
    with pytest.raises(InputError, match="no longer at"):
        experiment.source_changed()
    experiment.relocate_source(new)
    assert experiment.source_path() == new
    assert experiment.document.source.relative_path == "../archive/renamed.mp4"
    assert experiment.document.source.frames == 20


def test_a_changed_source_is_said_so(experiment, video_file):
    content = video_file.read_bytes()
    video_file.write_bytes(b"x" + content[1:])
    assert "its content differs" in experiment.source_changed()
    video_file.write_bytes(content + b"x")
    assert f"it has {len(content) + 1} bytes and had {len(content)}" in experiment.source_changed()
    before = experiment.document
    with pytest.raises(
        InputError, match=r"is not the video that study.glissile was made from, .*start a new"
    ):
        experiment.relocate_source(video_file)
    assert experiment.document is before


def test_a_path_of_another_system_is_not_taken_for_a_relative_one(tmp_path, source, monkeypatch):
    foreign = Source(**{**source.model_dump(), "path": "C:/videos/video.mp4", "relative_path": None})
    with Experiment.create(tmp_path / "study", source=foreign) as made:
        made.update(source=foreign)
        monkeypatch.chdir(tmp_path)
        if not Path(foreign.path).is_absolute():
            (tmp_path / "C:" / "videos").mkdir(parents=True)
            (tmp_path / "C:" / "videos" / "video.mp4").touch()
        with pytest.raises(InputError, match="no longer at"):
            made.source_path()
