"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.imaging.atomic_file import atomic_write


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "ü" * 125 + ".csv", "脑" * 83 + ".csv"])
def test_a_file_of_the_longest_name_can_be_written(tmp_path: Path, name: str) -> None:
    with atomic_write(tmp_path / name) as file:
        file.write(b"whole")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [(name, b"whole")]


def test_nothing_stays_of_a_file_that_failed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(ValueError, match="half"), atomic_write(tmp_path / "a") as file:
        file.write(b"hal")
        raise ValueError("half")
    with pytest.raises(EnvironmentFailure), atomic_write(tmp_path / "no" / "a"):
        pass
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"before")]
