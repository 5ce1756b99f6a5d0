"""Models that come and go as files: zips with card and weights, read with suspicion, model folders, MONAI bundles."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from glioma_annotator.db.models import ModelShelf
from glioma_annotator.domain.model_shelf import ShelvedModel
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.inference.card_bounds import MOST_CARD_BYTES, MOST_WEIGHTS_BYTES
from glioma_annotator.inference.cards import CARD, WEIGHTS, load_card, read_weights

#: Largest members in bytes: the published network takes 15 MB in half precision.
MOST_BYTES = {CARD: MOST_CARD_BYTES, WEIGHTS: MOST_WEIGHTS_BYTES}
_REFUSED = "Ask whoever gave you the file for another copy."
_CHUNK = 2**20
_DAMAGED = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error, lzma.LZMAError)


def export_model(model: ShelvedModel, file: Path) -> None:
    """Write a model as one zip, whole or not at all.

    Raises `UserError` for damaged or missing weights, a folder in the file's place and a file within the model's own
    folder, `EnvironmentFailure`.
    """
    if file.is_dir() or not file.name:
        raise UserError(f"“{file}” is a folder.", "Name a file for the model, such as model.zip.")
    if model.folder.resolve() in file.resolve().parents:
        raise UserError(f"“{file}” lies in the model's own folder.", "Choose another place for the file.")
    read_weights(model.folder, model.card)
    with atomic_write(file) as output, zipfile.ZipFile(output, "w", strict_timestamps=False) as archive:
        for name in (CARD, WEIGHTS):
            archive.write(model.folder / name, f"{model.folder.name}/{name}")


def bring_model(shelf: ModelShelf, source: Path) -> ShelvedModel:
    """Bring a model from a zip, from its own folder or that of the training that made it (or the card.json in it), or
    from a folder that holds a MONAI bundle (or its metadata.json).
    """
    if source.name == "metadata.json":
        source = source.resolve().parent.parent
    elif source.name == CARD:
        source = source.resolve().parent
    if not source.is_dir():
        return import_model(shelf, source)
    for folder in (source, source / "model"):
        if (folder / CARD).is_file():
            return import_folder(shelf, folder)
    return import_bundle(shelf, source)


def import_model(shelf: ModelShelf, file: Path) -> ShelvedModel:
    """Bring a model from a zip into the workspace; under another folder name where its name is taken by that model.

    Raises `UserError` for a file that is no such zip, holds anything but one card and its weights, leads out of its
    folder, is larger than it may be or than it says, has weights that differ from the card's hash or do not fit the
    network, names an unknown network, or whose name another model has.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive)
            return _place(shelf, archive, members)
    except _DAMAGED as error:
        raise UserError(f"{file.name} is no model file, or it is damaged.", _REFUSED) from error
    except OSError as error:
        if error.errno is None:  # bz2 says so of damaged data
            raise UserError(f"{file.name} is damaged.", _REFUSED) from error
        raise EnvironmentFailure(
            f"{file.name} cannot be read ({error.strerror or error}).", "Check the file."
        ) from error


def import_folder(shelf: ModelShelf, folder: Path) -> ShelvedModel:
    """Bring a copy of a model's folder into the workspace. Raises what `import_model` does of such a model."""

    def fill(target: Path) -> None:
        for name, most in MOST_BYTES.items():
            if not (folder / name).is_file():
                raise UserError(f"The folder “{folder}” holds no model: {name} is missing.", _REFUSED)
            try:
                with (folder / name).open("rb") as source, (target / name).open("xb") as copy:
                    _copy(source, copy, most)
            except OSError as error:
                raise EnvironmentFailure(
                    f"The model in {folder} could not be copied ({error.strerror or error}).",
                    "Check the folder and the disk.",
                ) from error
        _check(shelf, target, folder.name)

    return shelf.place_new(shelf.free_name(load_card(folder).name), fill)


def import_bundle(shelf: ModelShelf, folder: Path) -> ShelvedModel:
    """Bring a MONAI bundle into the workspace as a model. Raises what `inference.bundles.convert_bundle` raises.

    Bundles share their titles: where a model has it already, the name is added to it.
    """
    name = shelf.free_name(folder.name)
    titles = {model.card.title for model in shelf.all()}

    def fill(target: Path) -> None:
        from glioma_annotator.inference.bundles import convert_bundle  # torch takes seconds to import

        convert_bundle(folder, target, name)

    model = shelf.place_new(name, fill)
    if model.card.title in titles:
        shelf.rename(name, f"{model.card.title} ({name})")
    return shelf.find(name)


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    folders = set()
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename:
            raise UserError(f"The file names a place outside itself: “{info.filename}”.", _REFUSED)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UserError(f"The file holds a link: “{info.filename}”.", _REFUSED)
        if info.is_dir():
            continue
        if path.name not in MOST_BYTES or path.name in found or len(path.parts) > 2:
            raise UserError(f"The file holds more than a card and its weights: “{info.filename}”.", _REFUSED)
        if info.file_size > MOST_BYTES[path.name]:
            raise UserError(f"“{info.filename}” is too large: {info.file_size / 2**20:.0f} MB.", _REFUSED)
        folders.add(path.parent)
        found[path.name] = info
    missing = [name for name in MOST_BYTES if name not in found]
    if missing or len(folders) > 1:
        raise UserError(f"The file holds no model: {' and '.join(missing) or 'one folder'} is missing.", _REFUSED)
    return found


def _place(shelf: ModelShelf, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> ShelvedModel:
    def fill(folder: Path) -> None:
        for name, info in members.items():
            with archive.open(info) as source, (folder / name).open("xb") as target:
                _copy(source, target, MOST_BYTES[name])
        _check(shelf, folder, Path(archive.filename or "").name)

    return shelf.place_new(shelf.free_name(_wanted(archive, members)), fill)


def _check(shelf: ModelShelf, folder: Path, source: str) -> None:
    """Refuse a model in a passing folder, brought from `source`, that cannot be used or whose name is taken."""
    try:
        card = load_card(folder)
    except UserError as error:
        raise UserError(error.what.replace(str(folder / CARD), f"{source}: {CARD}"), _REFUSED) from error
    taken = [m for m in shelf.all() if m.card.name == card.name]
    if taken:
        same = any(m.card.identity == card.identity for m in taken)
        raise UserError(
            f"There is a model “{card.name}” already{', the same one' if same else ''}.",
            "Nothing needs to be imported." if same else "Ask its maker to export it under another name.",
        )
    from glioma_annotator.inference.model_folder import load_model  # torch takes seconds to import

    load_model(folder)


def _wanted(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> str:
    folder = PurePosixPath(members[CARD].filename).parent.name
    return folder or Path(archive.filename or "model").stem


def _copy(source: IO[bytes], target: IO[bytes], most: int) -> None:
    """Copy at most `most` bytes: what a zip says about its members need not be true."""
    copied = 0
    while chunk := source.read(_CHUNK):
        copied += len(chunk)
        if copied > most:
            raise UserError("A member of the file is larger than a model can be.", _REFUSED)
        target.write(chunk)
