import tomllib
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from glissile.defects import DefectClass
from glissile.errors import InputError
from glissile.experiment import Calibration, Document, Source, StrainLogSettings, document
from glissile.experiment.document import plain, read_document, validated, write_document

SOURCE = Source(
    path="/data/8.4μm grains/video.mp4",
    relative_path="../video.mp4",
    size_bytes=10_000_000_000,
    sampled_sha256="0" * 64,
    frames=326,
    height=362,
    width=700,
)
finite = st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
calibrations = st.builds(
    Calibration,
    nm_per_pixel=st.none() | st.floats(1e-6, 1e6),
    seconds_per_frame=st.none() | st.floats(1e-6, 1e6),
    initial_strain=st.none() | finite,
    strain_rate_per_s=st.none() | finite,
    strain_log=st.none()
    | st.builds(
        StrainLogSettings,
        path=text,
        time_column=text,
        strain_column=text,
        stress_column=st.none() | text,
        time_offset_s=finite,
    ),
)


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float | None = 5.0


class StageSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["none", "glissile"] = "glissile"
    minutes: float | None = Field(10.0, gt=0)
    tile_px: int | None = None
    seed: int = 0
    channels: tuple[int, ...] = (1, 2)
    inner: Inner = Inner()


def test_the_file_reads_back_and_is_plain_to_read(tmp_path):
    path = tmp_path / "experiment.toml"
    written = Document(
        source=SOURCE,
        calibration=Calibration(nm_per_pixel=1.5),
        classes=(DefectClass(value=3, name="twin γ", color="#009e73"),),
        stages={"trim": {"top": 1}},
        versions={"python": "3.11"},
    )
    write_document(path, written)
    assert read_document(path) == written
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    assert raw["schema_version"] == 2
    assert raw["calibration"] == {"nm_per_pixel": 1.5}
    assert raw["stages"]["trim"] == {"top": 1}
    assert raw["source"]["path"] == "/data/8.4μm grains/video.mp4"
    assert "twin γ" in path.read_text(encoding="utf-8")


@given(calibrations)
@settings(max_examples=30, deadline=None)
def test_every_calibration_survives_the_file(tmp_path_factory, calibration):
    path = tmp_path_factory.mktemp("study") / "experiment.toml"
    write_document(path, Document(source=SOURCE, calibration=calibration))
    assert read_document(path).calibration == calibration


@given(
    st.builds(
        StageSettings,
        method=st.sampled_from(["none", "glissile"]),
        minutes=st.none() | st.floats(1, 9),
        tile_px=st.none() | st.integers(1, 9),
        inner=st.builds(Inner, minutes=st.none() | st.floats(1, 9)),
    )
)
def test_settings_that_are_empty_stay_empty_whatever_their_default(chosen):
    assert validated(StageSettings, plain(chosen), "file") == chosen


def test_a_file_saved_by_an_editor_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "experiment.toml"
    write_document(path, Document(source=SOURCE))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_document(path).source == SOURCE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[calibration]",
            "[calibration]\nnm_per_pixle = 1.0",
            'no setting "calibration.nm_per_pixle"; allowed are nm_per_pixel, seconds_per_frame, initial',
        ),
        ("[source]", "colour = 1\n[source]", 'no setting "colour"; allowed are schema_version, source, cal'),
        (
            "[calibration]",
            "[calibration]\nnm_per_pixel = -2",
            '"calibration.nm_per_pixel" cannot be -2: Input should be greater than 0',
        ),
        (
            "[calibration]",
            "[calibration.strain_log]\npath = 'a'\ntime = 't'\n[calibration]",
            '"calibration.strain_log.time_column" is missing',
        ),
        (
            "[calibration]",
            "[calibration.strain_log]\npath='a'\ntime_column='t'\nstrain_column='e'\nx=1\n[calibration]",
            '"calibration.strain_log.x"; allowed are path, time_column, strain_column, stress_column, time',
        ),
        ("frames = 326\n", "", 'the setting "source.frames" is missing'),
        ("value = 2", "value = 1", "two classes have the value 1"),
        ('"stacking fault"', '"Dislocation"', "two classes have the name dislocation"),
        ("value = 2,", "value = 2, shape = 1,", '"classes.1.shape"; allowed are value, name, color'),
        ("schema_version = 2", "schema_version = 3", r"newer napari-glissile \(schema 3, .* update"),
        ("schema_version = 2", "schema_version = 0", "schema 0 is not known"),
        ("schema_version = 2", 'schema_version = "1"', "no whole number schema_version"),
        ("schema_version = 2", "schema_version = true", "no whole number schema_version"),
        ("schema_version = 2", "", "no whole number schema_version"),
        ("[source]", "[source", "is damaged or not TOML .*line 10"),
        ("326", "\x00", "is damaged or not TOML"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence_that_names_the_file(tmp_path, old, new, message):
    path = tmp_path / "experiment.toml"
    write_document(path, Document(source=SOURCE))
    content = path.read_text(encoding="utf-8")
    assert old in content
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(InputError, match=message) as caught:
        read_document(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is damaged or not TOML"):
        read_document(path)


def test_an_older_schema_is_migrated_and_kept_as_a_backup(tmp_path, monkeypatch):
    path = tmp_path / "experiment.toml"
    write_document(path, Document(source=SOURCE))
    old = path.read_bytes()
    monkeypatch.setattr(document, "SCHEMA_VERSION", 4)
    monkeypatch.setattr(
        document,
        "MIGRATIONS",
        {
            2: lambda raw: {**raw, "calibration": {"pixel": 2.0}},
            3: lambda raw: {**raw, "calibration": {"nm_per_pixel": raw["calibration"]["pixel"]}},
        },
    )
    assert read_document(path).calibration.nm_per_pixel == 2.0
    assert path.read_bytes() == old
    document.migrate_file(path)
    assert (tmp_path / "experiment-of-schema-2.toml").read_bytes() == old
    assert read_document(path).schema_version == 4
    migrated = path.read_bytes()
    document.migrate_file(path)
    assert path.read_bytes() == migrated
    assert len(list(tmp_path.iterdir())) == 2


def test_settings_of_corners_are_left_out_of_an_old_experiment(tmp_path):
    path = tmp_path / "experiment.toml"
    corners = {"method": "tanaka2025", "corners": 300, "window_px": 21}
    stages = {"stabilize": corners, "stabilized": {"settings": corners}, "trim": {"top": 3}}
    write_document(path, Document(source=SOURCE, stages=stages))
    path.write_text(
        path.read_text(encoding="utf-8").replace("schema_version = 2", "schema_version = 1"), encoding="utf-8"
    )
    assert read_document(path).stages == {"stabilize": {"method": "tanaka2025"}, "trim": {"top": 3}}
