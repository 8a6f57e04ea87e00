"""Refusals before anything is written: an output must not take the place of an input."""

from pathlib import Path

from glissile.errors import InputError
from glissile.naming import EXPERIMENT_DOCUMENT, IMAGE_SUFFIXES, names_experiment


def refuse_same(output: Path, source: Path) -> None:
    """Refuse to write a result over what it comes from.

    Parameters
    ----------
    output : Path
        File or folder that is about to be written.
    source : Path
        Existing file or folder that is read: a video, frames, masks, a model.

    Raises
    ------
    InputError
        If both are the same file or folder, also by another name, or `output` would be one more image in the
        folder that is read.
    """
    if output.exists() and output.samefile(source):
        raise InputError(f"{output}: is the input itself and would be lost; choose another output")
    among = source.is_dir() and output.parent.is_dir() and output.parent.samefile(source)
    if among and output.suffix.lower() in IMAGE_SUFFIXES:
        raise InputError(f"{output}: lies among the frames of the input; choose another folder")


def refuse_in_experiment(output: Path) -> None:
    """Refuse to write what is for others into an experiment, where it could take the place of a part of it.

    Parameters
    ----------
    output : Path
        File or folder that is about to be written.

    Raises
    ------
    InputError
        If `output`, or a folder that it lies in, is an experiment or is called like one.
    """
    for folder in (output.resolve(), *output.resolve().parents):
        if names_experiment(folder) or (folder / EXPERIMENT_DOCUMENT).exists():
            raise InputError(f"{output}: is of the experiment {folder.name}; choose a place outside of it")


def refuse_file(output: Path, suffix: str, *read: Path | None) -> None:
    """Refuse to write a table or a list of numbers where something else lies or belongs.

    Parameters
    ----------
    output : Path
        File that is about to be written.
    suffix : str
        What its name has to end with, ".csv".
    read : Path or None
        What is read; None where there is no such input.

    Raises
    ------
    InputError
        If the name ends otherwise, `output` is a folder, or as `refuse_same`.
    """
    for source in read:
        if source is not None and source.exists():
            refuse_same(output, source)
    if output.suffix.lower() != suffix:
        raise InputError(f"{output}: this is written as a {suffix} file; give a name that ends in {suffix}")
    if output.is_dir():
        raise InputError(f"{output}: is a folder; give the name of a file")


def refuse_other_table(output: Path, header: str) -> None:
    """Refuse to write a table over a file that is no earlier one of the same kind.

    Parameters
    ----------
    output : Path
        CSV that is about to be written.
    header : str
        Its first line.

    Raises
    ------
    InputError
        If there is a file that begins otherwise.
    """
    if output.exists():
        with output.open("rb") as file:
            begins = file.readline(len(header) + 2)
        if begins.rstrip(b"\r\n") != header.encode():
            raise InputError(f"{output}: is there already, and is another table; give another name")
