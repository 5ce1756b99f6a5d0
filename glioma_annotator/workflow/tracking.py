"""Lesions through the course: one identity for a lesion at every visit, and findings proposed for the next visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from glioma_annotator.domain.finding import Finding, FindingSource, FindingStatus, LesionChange, Point
from glioma_annotator.domain.geometry import FloatArray
from glioma_annotator.domain.identity import new_id, utc_now
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.imaging.lesion_map import Lesion, LesionLink, LesionMap, match_lesions
from glioma_annotator.workflow.alignment import Alignment

REACH_MM = 3.0
"""A finding this close to a component's border is a finding of it: a marker set by hand may miss a thin rim."""


@dataclass(frozen=True, slots=True)
class TrackedLesion:
    """A lesion at one visit under its identity.

    Attributes
    ----------
    lesion: stable identity: that of its findings, else `L1`, `L2` ... in order of appearance.
    number: its number in the visit's `LesionMap`; None where the lesion is gone.
    change: since the masked visit before; None at the first one.
    earlier_ml, volume_ml: of the lesions it continues, and its own.
    merged: identities that went up in it, its own left out.
    """

    lesion: str
    number: int | None
    change: LesionChange | None
    earlier_ml: float
    volume_ml: float
    merged: tuple[str, ...] = ()


def track_lesions(
    visits: Sequence[Timepoint],
    maps: Sequence[LesionMap | None],
    align: Alignment,
    findings: Sequence[Finding] = (),
) -> tuple[tuple[TrackedLesion, ...], ...]:
    """Follow every lesion from visit to visit, each compared with the nearest earlier visit that has a mask.

    A lesion that appears is first looked for among those that had gone at earlier visits; where several lesions merge,
    the one with the largest overlap gives its identity; the parts of a split lesion share theirs. A finding on a
    component gives it the finding's lesion, at the earlier visits too where no finding had named it; where one had, and
    the later finding was made without knowing of it, the earlier name stays.

    Parameters
    ----------
    visits: in order of the course.
    maps: their lesions; None for a visit without a mask.
    align: where each visit lies in an earlier one.
    findings: of the patient; artefacts do not count.

    Returns the lesions of each visit, by number, then those that went since the visit before; none without a mask.
    """
    course: list[tuple[TrackedLesion, ...]] = []
    names: list[dict[int, str]] = []
    seen: set[str] = {f.lesion for f in findings}
    counter = 0
    automatic: set[str] = set()
    for index, (visit, lesions) in enumerate(zip(visits, maps, strict=True)):
        if lesions is None:
            names.append({})
            course.append(())
            continue
        said = _named_by_findings(visit, lesions, findings)
        own = {number: finding.lesion for number, finding in said.items()}
        before = next((i for i in range(index - 1, -1, -1) if maps[i] is not None), None)
        links = _links(visits, maps, align, before, index)
        returned = _returned(visits, maps, align, names, before, index, links)
        tracked: list[TrackedLesion] = []
        for link in links:
            old = [names[before][n] for n in link.earlier] if before is not None else []
            finding = said.get(link.later or 0)
            if finding is not None and old and old[0] != finding.lesion:
                if old[0] in automatic and all(finding.lesion not in known.values() for known in names):
                    _rename(course, names, tracked, own, (old[0], finding.lesion))  # the finding came later
                    automatic.discard(old[0])
                    old = [finding.lesion, *old[1:]]
                elif finding.lesion == finding.id and old[0] not in automatic:
                    del own[link.later or 0]  # one more finding of a lesion that has a name
            name = own.get(link.later or 0) or next(iter(old), None) or returned.get(link.later or 0)
            if name is None:
                counter = next(n for n in range(counter + 1, counter + len(seen) + 2) if f"L{n}" not in seen)
                name = f"L{counter}"
                automatic.add(name)
            if link.later is not None:
                own[link.later] = name
                seen.add(name)
            change = link.change if before is not None else None
            merged = tuple(dict.fromkeys(n for n in old if n != name)) if change is LesionChange.MERGED else ()
            tracked.append(TrackedLesion(name, link.later, change, link.earlier_ml, link.later_ml, merged))
        names.append(own)
        course.append(tuple(tracked))
    return tuple(course)


def _rename(
    course: list[tuple[TrackedLesion, ...]],
    names: list[dict[int, str]],
    tracked: list[TrackedLesion],
    own: dict[int, str],
    change: tuple[str, str],
) -> None:
    """Give a lesion another identity at every visit so far, the one at hand (`tracked`, `own`) included."""
    old, new = change

    def renamed(lesion: TrackedLesion) -> TrackedLesion:
        merged = tuple(new if name == old else name for name in lesion.merged)
        return replace(lesion, lesion=new if lesion.lesion == old else lesion.lesion, merged=merged)

    course[:] = [tuple(renamed(lesion) for lesion in visit) for visit in course]
    tracked[:] = [renamed(lesion) for lesion in tracked]
    for known in (*names, own):
        known.update({number: new for number, name in known.items() if name == old})


def _links(
    visits: Sequence[Timepoint], maps: Sequence[LesionMap | None], align: Alignment, before: int | None, index: int
) -> tuple[LesionLink, ...]:
    later = maps[index]
    assert later is not None
    earlier = maps[before] if before is not None else None
    if before is None or earlier is None:
        return tuple(LesionLink(n.number, (), LesionChange.NEW, 0.0, n.volume_ml) for n in later.lesions)
    if not earlier.lesions or not later.lesions:
        return match_lesions(earlier, later)
    return match_lesions(earlier, later, align(visits[index], visits[before]))


def _returned(
    visits: Sequence[Timepoint],
    maps: Sequence[LesionMap | None],
    align: Alignment,
    names: Sequence[Mapping[int, str]],
    before: int | None,
    index: int,
    links: Sequence[LesionLink],
) -> dict[int, str]:
    """Identities, by number, of new lesions that lie where one had gone before the visit `before`."""
    later = maps[index]
    fresh = {link.later for link in links if link.change is LesionChange.NEW and link.later is not None}
    found: dict[int, str] = {}
    if before is None or later is None:
        return found
    taken = set(names[before].values())
    for past in range(before - 1, -1, -1):
        earlier = maps[past]
        if earlier is None or not fresh - found.keys():
            continue
        gone = {number for number, name in names[past].items() if name not in taken}
        if not gone:
            continue
        matrix = align(visits[index], visits[past])
        again = match_lesions(earlier, later, matrix, among_earlier=gone, among_later=fresh - found.keys())
        found |= {link.later: names[past][link.earlier[0]] for link in again if link.later is not None and link.earlier}
        taken |= set(names[past].values())
    return found


def _named_by_findings(visit: Timepoint, lesions: LesionMap, findings: Sequence[Finding]) -> dict[int, Finding]:
    """By number the lesions that a finding of the visit lies on; the oldest finding counts."""
    named: dict[int, Finding] = {}
    for finding in findings:
        if finding.timepoint == visit.key and counts(finding):
            lesion = lesions.at(finding.point_mm, REACH_MM)
            if lesion is not None:
                named.setdefault(lesion.number, finding)
    return named


def counts(finding: Finding) -> bool:
    """Whether a finding stands for a lesion that is there: no artefact and not gone."""
    return finding.status is not FindingStatus.ARTEFACT and finding.change is not LesionChange.GONE


def merged_since(course: Sequence[Sequence[TrackedLesion]]) -> dict[str, frozenset[str]]:
    """The lesions that went up in another one and have not come back, by its identity, at the last of some visits."""
    merged: dict[str, set[str]] = {}
    for visit in course[1:]:
        for lesion in visit:
            for name in lesion.merged:
                merged.setdefault(lesion.lesion, set()).update({name}, merged.pop(name, ()))
        present = {lesion.lesion for lesion in visit if lesion.number is not None}
        for gone in merged.values():
            gone -= present
    return {name: frozenset(gone) for name, gone in merged.items() if gone}


def propose_findings(
    earlier: Timepoint,
    later: Timepoint,
    findings: Sequence[Finding],
    maps: tuple[LesionMap, LesionMap],
    later_to_earlier: ArrayLike,
    template: Finding,
) -> tuple[Finding, ...]:
    """Propose the later visit's findings from the earlier visit's; the reader confirms or rejects each.

    Parameters
    ----------
    findings: of the earlier visit.
    maps: lesions of the earlier and of the later visit, of one label or region.
    later_to_earlier: (4, 4) world RAS mm of the later visit to that of the earlier one.
    template: what a finding on a new lesion starts from: patient, kind, label, revision, author. Label, revision and
        author go into every proposal.

    A finding on a lesion comes back as unchanged, grown, shrunk, merged, split or gone, with its mL, once per kind; one
    on no lesion, a mere point, comes back at the same place without a change. Lesions that no earlier one continues
    are new; those that nobody recorded at the earlier visit are left out.
    """
    matrix = np.asarray(later_to_earlier, dtype=np.float64)
    live = [f for f in findings if f.timepoint == earlier.key and counts(f)]
    place = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    on = {f.id: lesion.number for f in live if (lesion := maps[0].at(f.point_mm, REACH_MM)) is not None}
    proposals = []
    for link in match_lesions(*maps, matrix):
        lesion = maps[1].lesions[link.later - 1] if link.later is not None else None
        if link.change is LesionChange.NEW and lesion is not None:
            proposals.append(_on_lesion(template, template, later, link, lesion))
        by_kind: dict[str, list[Finding]] = {}
        for number in link.earlier:
            for finding in live:
                if on.get(finding.id) == number:
                    by_kind.setdefault(finding.kind, []).append(finding)
        for before in by_kind.values():
            moved = replace(before[0], point_mm=_moved(before[0].point_mm, place))
            proposals.append(_on_lesion(moved, template, later, link, lesion, tuple(before)))
    for finding in live:
        if finding.id not in on:
            point = _moved(finding.point_mm, place)
            made = replace(finding, timepoint=later.key, point_mm=point, box=None, volume_ml=None, change=None)
            proposals.append(_as_proposal(made, template, (finding,)))
    return tuple(proposals)


def _on_lesion(
    source: Finding,
    template: Finding,
    later: Timepoint,
    link: LesionLink,
    lesion: Lesion | None,
    before: tuple[Finding, ...] = (),
) -> Finding:
    """A proposal like `source` for a later lesion; at the source's own point when the lesion is gone."""
    made = replace(
        source,
        timepoint=later.key,
        point_mm=lesion.point_mm if lesion is not None else source.point_mm,
        label=template.label,
        box=lesion.box if lesion is not None else None,
        volume_ml=link.later_ml,
        change=link.change,
    )
    return _as_proposal(made, template, before)


def _as_proposal(finding: Finding, template: Finding, before: tuple[Finding, ...]) -> Finding:
    """The same as a new record that continues those `before`, the first of which gives its lesion.

    Open until the reader confirms it. Text and samples stay with the visit that they describe.
    """
    return replace(
        finding,
        id=new_id(),
        created_utc=utc_now(),
        lesion=before[0].lesion if before else "",
        previous=tuple(f.id for f in before),
        status=FindingStatus.OPEN,
        source=FindingSource.TRACKED,
        revision=template.revision,
        author=template.author,
        text="",
        samples=(),
    )


def _moved(point: Point, matrix: FloatArray) -> Point:
    x, y, z = (matrix[:3, :3] @ np.asarray(point) + matrix[:3, 3]).tolist()
    return x, y, z
