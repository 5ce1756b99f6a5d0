"""The log tells what went wrong, not who the patient is."""

from __future__ import annotations

import logging
import re
import stat
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath

import pytest

from glioma_annotator.logs import RedactingFormatter, Redactor, setup_logging

SECRETS = ("anna", "Meier", "Hans", "study", "scan")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logging.Logger]:
    yield logging.getLogger("glioma_annotator.tests")
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h.formatter, RedactingFormatter)]:
        root.removeHandler(handler)
        handler.close()
    logging.captureWarnings(False)
    logging.getLogger("glioma_annotator").setLevel(logging.NOTSET)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[], str]:
    return lambda: (tmp_path / "logs" / "glioma-annotator.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "/home/anna/scan.nii.gz",
        "/home/anna/Hans Meier/scan.nii.gz",
        "/home/anna/Hans Peter Meier/study one/scan",
        "'/home/anna/Hans Meier/x, y.nii'",
        '"C:\\Users\\anna\\Hans Meier\\scan.nii"',
        "C:\\Users\\anna\\study\\scan.nii",
        "\\\\server\\anna\\scan",
        "~/anna/scan",
        "../Hans/scan",
        "Hans_Meier.nii.gz",
        "patients/Meier/2020/scan.nii.gz",
        "scan.DCM",
    ],
)
def test_paths_in_a_message_are_replaced(text: str) -> None:
    redacted = Redactor()(f"reading {text} failed")
    assert redacted.startswith("reading ")
    assert redacted.endswith(" failed")
    assert "<path " in redacted
    assert not any(secret in redacted for secret in SECRETS), redacted


@pytest.mark.parametrize(
    "text", ["T1/T2 ratio 3/4", "58 % after 12:30:11", "and/or", "patch 3 of 27, 1.5 mm", "model base@0123", "a.b.c"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor()(text) == text


def test_the_same_path_has_the_same_mark_within_a_run_only() -> None:
    redactor = Redactor()
    assert redactor("/data/one") == redactor("/data/one") != redactor("/data/two")
    assert redactor("/data/one") != Redactor()("/data/one")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("opened %s", (Path("/data/Hans, the Meier; (study)/a"),)),
        ("opened %s", ("/data/Hans, the Meier; (study)/a",)),
        ("opened %(file)s", ({"file": PureWindowsPath("D:/anna, b/scan")},)),
    ],
)
def test_paths_given_as_values_are_replaced_whole(message: str, arguments: tuple[object, ...]) -> None:
    record = logging.LogRecord("name", logging.INFO, "", 1, message, arguments, None)  # type: ignore[arg-type]
    text = RedactingFormatter(Redactor()).format(record)
    assert re.fullmatch(r".* opened <path \w{8}>", text)


def test_tracebacks_keep_the_code_and_lose_the_data(
    log: logging.Logger, tmp_path: Path, written: Callable[[], str]
) -> None:
    setup_logging(tmp_path / "logs")
    folder = tmp_path / " ".join(["Hans,", "Meier"])
    try:
        logging.FileHandler(folder / "scan")
    except OSError:
        log.exception("it failed")
    assert "it failed" in written()
    assert 'File "<program>/logging/__init__.py", line' in written()
    assert "FileNotFoundError" in written()
    assert not any(secret in written() for secret in ("Hans, Meier", str(tmp_path)))


def test_the_log_is_for_its_owner_only_and_rotates(
    log: logging.Logger, tmp_path: Path, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glioma_annotator.logs._BYTES", 2000)
    setup_logging(tmp_path / "logs")
    for _ in range(300):
        log.info("x" * 100)
    files = sorted((tmp_path / "logs").iterdir())
    assert len(files) == 5
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 and file.stat().st_size <= 2000 for file in files)
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700


def test_the_environment_sets_the_level(
    log: logging.Logger, tmp_path: Path, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLIOMA_LOG", "debug")
    setup_logging(tmp_path / "logs")
    log.debug("fine detail")
    logging.getLogger("other.library").info("chatter")
    monkeypatch.setenv("GLIOMA_LOG", "loud")
    setup_logging(tmp_path / "logs")
    log.debug("finer detail")
    assert "fine detail" in written()
    assert "finer" not in written()
    assert "chatter" not in written()
    assert "GLIOMA_LOG must be one of DEBUG, INFO" in written()


def test_warnings_of_libraries_go_to_the_log(log: logging.Logger, tmp_path: Path, written: Callable[[], str]) -> None:
    setup_logging(tmp_path / "logs")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old habits", DeprecationWarning, stacklevel=1)
    assert written().count("old habits") >= 1


def test_setting_up_twice_writes_every_message_once(
    log: logging.Logger, tmp_path: Path, written: Callable[[], str]
) -> None:
    setup_logging(tmp_path / "logs")
    setup_logging(tmp_path / "logs")
    log.info("once")
    assert written().count("once") == 1


def test_messages_go_to_standard_error_where_no_file_can_be_written(
    log: logging.Logger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").touch()
    setup_logging(tmp_path / "logs")
    log.warning("no room")
    assert "no room" in capsys.readouterr().err
