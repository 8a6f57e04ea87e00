"""What `experiment.toml` holds, and how it is read and written."""

import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, Self, TypeVar, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glissile import atomic
from glissile.defects import DEFAULT_CLASSES, DefectClass
from glissile.errors import InputError
from glissile.experiment.source import Source

M = TypeVar("M", bound=BaseModel)

SCHEMA_VERSION = 2


def _without_corners(raw: dict[str, Any]) -> dict[str, Any]:
    """Leave out the settings of corners: the motion is found by other means since schema 2.

    What it was found with is left out, too, so that the video is stabilized again.
    """
    stages = dict(raw.get("stages", {}))
    stages.pop("stabilized", None)
    if "stabilize" in stages:
        stages["stabilize"] = {name: v for name, v in stages["stabilize"].items() if name == "method"}
    return {**raw, "stages": stages}


# From a schema version to what turns such a document into one of the next version.
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _without_corners}

_HEADER = "# An experiment of napari-glissile. It may be edited by hand while no program has it open.\n\n"
_NONE = "none"
_RECORDED = ("napari-glissile", "numpy", "torch", "opencv-python-headless", "av", "zarr", "napari")


class StrainLogSettings(BaseModel):
    """Which columns of a test-rig log hold time, strain and stress, and when it started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        min_length=1,
        title="Strain log",
        description="CSV file; absolute, or relative to the experiment folder",
    )
    time_column: str = Field(title="Time column", description="Name of the column of times")
    strain_column: str = Field(title="Strain column", description="Name of the column of strains")
    stress_column: str | None = Field(
        None, title="Stress column", description="Name of the column of stresses; empty where there is none"
    )
    time_offset_s: float = Field(
        0.0,
        allow_inf_nan=False,
        title="Time offset (s)",
        description="Time in the log at the first frame of the source video",
    )


class Calibration(BaseModel):
    """Scale, time base and strain of a video.

    The strain of a frame comes from `strain_log` where one is given, else from `initial_strain` and
    `strain_rate_per_s` (Tanaka et al. 2025, Table 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nm_per_pixel: float | None = Field(
        None, gt=0, allow_inf_nan=False, title="Pixel size (nm)", description="Edge length of a pixel"
    )
    seconds_per_frame: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        title="Time per frame (s)",
        description="Time between frames of the source; empty takes the times stored in the file",
    )
    initial_strain: float | None = Field(
        None,
        allow_inf_nan=False,
        title="Initial strain",
        description="Strain at the first frame of the source",
    )
    strain_rate_per_s: float | None = Field(
        None, allow_inf_nan=False, title="Strain rate (1/s)", description="Constant strain rate of the test"
    )
    strain_log: StrainLogSettings | None = Field(
        None, title="Strain log", description="Log of the test rig, taken before the constant strain rate"
    )

    @property
    def tells_strain(self) -> bool:
        """Whether the strain is known wherever the time is."""
        constant = self.initial_strain is not None and self.strain_rate_per_s is not None
        return constant or self.strain_log is not None


class Document(BaseModel):
    """Everything in `experiment.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(SCHEMA_VERSION, title="Schema", description="Version of this file's layout")
    source: Source = Field(title="Source video", description="The video of this experiment")
    calibration: Calibration = Field(
        Calibration(), title="Calibration", description="Scale, time base and strain"
    )
    classes: tuple[DefectClass, ...] = Field(
        DEFAULT_CLASSES, min_length=1, title="Classes", description="What is labelled and measured"
    )
    last_class_value: int = Field(
        0,
        ge=0,
        le=255,
        title="Last class value",
        description="No class that was removed had a higher value in masks; none of these is given again",
    )
    stages: dict[str, dict[str, Any]] = Field({}, title="Stages", description="Settings of each stage")
    versions: dict[str, str] = Field(
        {}, title="Versions", description="Versions of the programs that last wrote this file"
    )

    @property
    def highest_class_value(self) -> int:
        """Highest value in masks that a class has or had: masks that are kept, backups too, may hold it."""
        return max(self.last_class_value, *(c.value for c in self.classes))

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        for what, found in (
            ("value", [str(c.value) for c in self.classes]),
            ("name", [c.key for c in self.classes]),
        ):
            twice = next((f for f in found if found.count(f) > 1), None)
            if twice is not None:
                raise ValueError(f"two classes have the {what} {twice}")
        return self


def read_document(path: Path) -> Document:
    """Read `experiment.toml`.

    Raises
    ------
    InputError
        If it is missing, damaged, of a newer schema, or holds a setting that does not exist or is invalid.
    """
    raw = migrated(_read_raw(path), path)
    return validated(Document, raw, str(path))


def migrate_file(path: Path) -> None:
    """Bring the file at `path` to the present schema; the old one stays beside it as a backup.

    Raises
    ------
    InputError
        As `read_document`.
    """
    raw = _read_raw(path)
    old = raw["schema_version"]
    if old == SCHEMA_VERSION:
        return
    document = validated(Document, migrated(raw, path), str(path))
    backup = path.with_name(f"{path.stem}-of-schema-{old}{path.suffix}")
    with atomic.replacing(backup) as temporary:
        temporary.write_bytes(path.read_bytes())
    write_document(path, document)


def migrated(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    """`raw` in the present schema.

    Raises
    ------
    InputError
        If its schema is newer than this program, or too old for it.
    """
    found = raw["schema_version"]
    if found > SCHEMA_VERSION:
        raise InputError(
            f"{path}: was written by a newer napari-glissile (schema {found}, this one reads up to "
            f"{SCHEMA_VERSION}); update napari-glissile to open it"
        )
    for step in range(found, SCHEMA_VERSION):
        if step not in MIGRATIONS:
            raise InputError(f"{path}: schema {step} is not known to this napari-glissile")
        raw = {**MIGRATIONS[step](raw), "schema_version": step + 1}
    return raw


def write_document(path: Path, document: Document) -> None:
    """Write `document` to `path`, atomically."""
    atomic.write_text(path, _HEADER + tomli_w.dumps(plain(document)))


def used_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that results depend on."""
    found = {"python": python_version()}
    for name in _RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plain(settings: BaseModel) -> dict[str, Any]:
    """Turn `settings` into values TOML can hold.

    TOML has no null: an empty setting is left out where empty is its default, and written as "none" where
    it is not.
    """
    values = settings.model_dump(mode="json")
    return {
        name: _storable(getattr(settings, name), stored)
        for name, stored in values.items()
        if stored is not None or type(settings).model_fields[name].default is not None
    }


def validated(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """`values`, as `plain` writes them, as a `model`.

    Parameters
    ----------
    model : type of BaseModel
        What they should be.
    values : Mapping
        As read from TOML.
    where : str
        File, and stage in it, for messages.

    Returns
    -------
    BaseModel

    Raises
    ------
    InputError
        Naming `where`, the setting, and what is allowed.
    """
    try:
        return model.model_validate(_unstored(model, values))
    except ValidationError as error:
        raise InputError(_sentence(error, model, where)) from error


def _read_raw(path: Path) -> dict[str, Any]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        if not path.parent.exists():
            raise InputError(f"{path.parent}: there is no such experiment; check its name") from error
        raise InputError(f"{path.parent}: is not an experiment, it has no {path.name}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is damaged or not TOML ({error}); correct it in a text editor") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if type(raw.get("schema_version")) is not int:
        raise InputError(f"{path}: has no whole number schema_version, so it is not of an experiment")
    return raw


def _storable(value: Any, stored: Any) -> Any:
    """Give what TOML can hold of a `value`, which JSON would hold as `stored`."""
    if isinstance(value, BaseModel):
        return plain(value)
    if isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        return [_storable(*both) for both in zip(value, stored, strict=True)]
    return _NONE if stored is None else stored


def _unstored(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        field = model.model_fields.get(name)
        inner = None if field is None else _model_in(field.annotation)
        if value == _NONE and field is not None and type(None) in get_args(field.annotation):
            found[name] = None
        elif inner is not None and isinstance(value, dict):
            found[name] = _unstored(inner, value)
        elif inner is not None and isinstance(value, list):
            found[name] = [_unstored(inner, one) if isinstance(one, dict) else one for one in value]
        else:
            found[name] = value
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _sentence(error: ValidationError, model: type[BaseModel], where: str) -> str:
    first = error.errors()[0]
    setting = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        parent: type[BaseModel] | None = model
        for part in first["loc"][:-1]:
            if parent is not None and isinstance(part, str) and part in parent.model_fields:
                parent = _model_in(parent.model_fields[part].annotation)
        allowed = ", ".join(parent.model_fields) if parent is not None else "none"
        return f'{where}: there is no setting "{setting}"; allowed are {allowed}'
    if first["type"] == "missing":
        return f'{where}: the setting "{setting}" is missing'
    reason = first["msg"].removeprefix("Value error, ")
    if not setting:
        return f"{where}: {reason}"
    return f'{where}: the setting "{setting}" cannot be {first["input"]!r}: {reason}'
