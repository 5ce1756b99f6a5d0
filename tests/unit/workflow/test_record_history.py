"""Deleted items and the audit table in words."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from fakes import FakeStore

from glioma_annotator.domain.audit import AuditAction, AuditEntry
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.note import Note
from glioma_annotator.workflow.cohort_words import excerpt, word_places
from glioma_annotator.workflow.record_history import (
    deleted_items,
    differences,
    kind_text,
    record_title,
    restore_item,
)


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    made.add_patient("P")
    made.add_patient("Q")
    return made


def test_deleted_records_of_every_kind_are_listed_and_come_back(store: FakeStore) -> None:
    note, event = Note("P", "to be gone"), ClinicalEvent("P", EventKind.SEIZURE, day=3, text="at night")
    store.notes.add(note)
    store.events.add(event)
    store.notes.delete(note.id, by="Dr A")
    store.events.delete(event.id, by="Dr B")
    items = deleted_items(store, "P")
    assert [(item.kind, item.title, item.by) for item in items] == [
        ("clinical event", "seizure: at night", "Dr B"),
        ("note or report", "note: to be gone", "Dr A"),
    ]
    assert deleted_items(store, "Q") == ()
    restore_item(store, items[1], "Dr C")
    assert store.notes.of_patient("P") == (note,)
    assert store.audit.newest(1)[0].actor == "Dr C"
    with pytest.raises(KeyError):
        restore_item(store, items[1], "Dr C")


def test_a_change_is_told_field_by_field(store: FakeStore) -> None:
    note = Note("P", "stable", title="MRI")
    store.notes.add(note)
    store.notes.change(replace(note, text="progress"))
    change, added = store.audit.newest()
    assert [(d.field, d.before, d.after) for d in differences(change)] == [("text", "stable", "progress")]
    assert {d.field: d.after for d in differences(added)}["title"] == "MRI"
    assert (kind_text(change), record_title(change)) == ("note or report", "MRI, note: progress")


def test_a_title_keeps_the_hyphens_of_keys_and_texts(store: FakeStore) -> None:
    when = dt.datetime(2026, 1, 3, tzinfo=dt.UTC)
    for state, title in (
        ({"key": "PAT-0042"}, "PAT-0042"),
        ({"key": "2019-04-02", "folder": "x"}, "2019-04-02"),
        ({"title": "T1-weighted", "kind": "radiology-report"}, "T1-weighted, radiology report"),
    ):
        entry = AuditEntry(1, when, "A", AuditAction.ADD, "notes", "u", None, state)
        assert record_title(entry) == title


def test_an_excerpt_shows_the_word_that_was_searched_for() -> None:
    text = "nothing to see here " * 12 + "leptomeningeal spread " + "and so on " * 12
    line = excerpt(text, "spread")
    assert "spread" in line
    assert line.startswith("… ")
    assert len(line) <= 100
    assert excerpt("short\ntext", "text") == "short text"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("residu", ["Résidu", "re\N{COMBINING ACUTE ACCENT}sidus"]),
        ("RÉSIDUS straß", ["re\N{COMBINING ACUTE ACCENT}sidus", "Straße"]),
        ("lesion T1", ["T1", "lesion"]),
        ("", []),
    ],
)
def test_words_are_found_in_a_text_as_the_search_finds_them(words: str, found: list[str]) -> None:
    text = "Résidu, re\N{COMBINING ACUTE ACCENT}sidus of T1_lesion in Straße"
    assert [text[start:end] for start, end in word_places(text, words)] == found
    assert "RÉSIDU" in excerpt("nothing to see here " * 12 + "RÉSIDU", "residu")


def test_an_archive_that_was_taken_over_is_told_by_what_it_brought() -> None:
    after = {"key": "P", "first": 7, "changed": {"a": ["2026-01-01", "B"], "b": ["2026-01-02", "B"]}}
    entry = AuditEntry(
        9, dt.datetime(2026, 1, 3, tzinfo=dt.UTC), "A", AuditAction.ADD, "patient_archives", "u", None, after
    )
    assert [(d.field, d.after) for d in differences(entry)] == [("taken over", "2 records or masks")]
    assert (kind_text(entry), record_title(entry)) == ("archive", "P")
