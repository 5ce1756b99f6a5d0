"""A mask that nobody will save."""

from __future__ import annotations

from glioma_annotator.domain.editing import JournalEntry


class NoJournal:
    """Fulfils `workflow.ports.Journal` and keeps nothing."""

    parent_revision_id = None

    def append(self, entry: JournalEntry) -> None:
        pass

    def flush(self) -> None:
        pass

    def entries(self) -> tuple[JournalEntry, ...]:
        return ()

    def mark(self) -> int:
        return 0

    def restart(self, parent_revision_id: int | None, past: object = (), since: int | None = None) -> None:
        pass
