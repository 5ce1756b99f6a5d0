"""The page docs/schema.md, made from the migrations: `python -m glioma_annotator.db.schema_doc > docs/schema.md`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence

from glioma_annotator.db.migrations.runner import MIGRATIONS, split_statements

_HEAD = """\
# The database `glioma.db`

Made from the migrations in `glioma_annotator/db/migrations`; a test keeps it in step. Schema version {version}.

Read it with Datasette, pandas or anything else that reads SQLite while the program is closed, or from a copy:

```python
import pandas, sqlite3

pandas.read_sql("SELECT * FROM volumes_overview", sqlite3.connect("glioma.db"))
```

Change nothing in it but through the program: `doctor --verify` reports what was changed past it. Start from the
views, which join the keys of patients and visits and leave out deleted records. `patient_identities` says who the
patients are and is no part of any view.
"""

#: Of the full-text index; SQLite's own.
_SHADOWS = re.compile(r"search_(data|idx|docsize|config|content)")


def schema_markdown(migrations: Sequence[str] = MIGRATIONS) -> str:
    """Every view and table with its columns and what the migrations say about them."""
    database = sqlite3.connect(":memory:")
    try:
        for migration in migrations:
            for statement in split_statements(migration):
                database.execute(statement)
        return "\n".join(_page(database, len(migrations)))
    finally:
        database.close()


def _page(database: sqlite3.Connection, version: int) -> Iterator[str]:
    yield _HEAD.format(version=version)
    yield "## Views\n"
    for name, sql in _objects(database, "view"):
        columns = ", ".join(f"`{row[1]}`" for row in database.execute(f"PRAGMA table_info({name})"))
        yield f"### {name}\n\n{_title(sql)}{columns}\n"
    yield "## Tables\n"
    for name, sql in _objects(database, "table"):
        if not _SHADOWS.fullmatch(name):
            yield f"### {name}\n\n{_title(sql)}" + "\n".join(_columns(database, name, sql)) + "\n"
    yield "## Triggers\n"
    triggers = database.execute(
        "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' ORDER BY tbl_name, name"
    )
    by_table: dict[str, list[str]] = {}
    for table, name in triggers:
        by_table.setdefault(table, []).append(f"`{name}`")
    yield from (f"- {table}: {', '.join(names)}" for table, names in by_table.items())
    yield ""


def _objects(database: sqlite3.Connection, kind: str) -> list[tuple[str, str]]:
    query = "SELECT name, sql FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return database.execute(query, [kind]).fetchall()


def _title(sql: str) -> str:
    """What the first line of the statement says behind its dashes."""
    comment = re.match(r"[^\n]*?--\s*(.+)", sql)
    return f"{_sentence(comment.group(1))}\n\n" if comment else ""


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."


def _columns(database: sqlite3.Connection, table: str, sql: str) -> Iterator[str]:
    parents = {row[3]: f"{row[2]}.{row[4]}" for row in database.execute(f"PRAGMA foreign_key_list({table})")}
    comments = dict(re.findall(r"^\s*(\w+) [^\n]*?--\s*([^\n]+)$", sql, re.MULTILINE))
    yield "| column | type | | |\n|---|---|---|---|"
    for _, name, kind, required, _, key in database.execute(f"PRAGMA table_info({table})"):
        facts = ["key"] if key else ["required"] if required else []
        facts += [f"refers to {parents[name]}"] if name in parents else []
        yield f"| `{name}` | {kind} | {', '.join(facts)} | {comments.get(name, '')} |".replace("  |", " |")


if __name__ == "__main__":
    print(schema_markdown(), end="")
