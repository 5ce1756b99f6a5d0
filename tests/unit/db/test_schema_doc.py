"""The documented schema is the schema."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from glioma_annotator.db.migrations.runner import MIGRATIONS
from glioma_annotator.db.schema_doc import schema_markdown

PAGE = Path(__file__).parents[3] / "docs" / "schema.md"


def test_the_page_is_in_step_with_the_migrations() -> None:
    assert PAGE.read_text(encoding="utf-8") == schema_markdown(), (
        "python -m glioma_annotator.db.schema_doc > docs/schema.md"
    )


def test_every_table_view_and_column_is_listed() -> None:
    more = "CREATE TABLE sites ( -- where scanners are\n    name TEXT NOT NULL -- of the hospital\n);"
    page = schema_markdown((*MIGRATIONS, more))
    assert "### sites\n\nWhere scanners are.\n" in page
    assert "| `name` | TEXT | required | of the hospital |" in page
    assert "### findings_overview" in page


def test_opening_a_workspace_does_not_import_pandas(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, glioma_annotator.db.workspace as w; w.open_workspace(pathlib.Path(sys.argv[1])).close();"
        "assert 'pandas' not in sys.modules; import pandas"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=True, timeout=240)
