"""WHO CNS5 rules for diffuse gliomas: what the markers of a sample lead to, and what contradicts what.

Source: Louis et al., "The 2021 WHO Classification of Tumors of the Central Nervous System: a summary", Neuro-Oncology
23(8), 2021. A marker that is not tested or indeterminate stays open: the rules are run for every value it could have,
so the result says which diagnoses remain possible and which tests would decide between them. Nothing is corrected.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from glioma_annotator.domain.histology import (
    HistologySample,
    Marker,
    MarkerStatus,
    TumourSite,
    TumourType,
)

#: What the alteration of a marker is called, found and not found.
WORDS: Mapping[Marker, tuple[str, str, str]] = {
    Marker.IDH1: ("IDH1", "mutated", "wildtype"),
    Marker.IDH2: ("IDH2", "mutated", "wildtype"),
    Marker.CODELETION_1P19Q: ("1p/19q", "codeleted", "not codeleted"),
    Marker.ATRX: ("ATRX", "lost", "retained"),
    Marker.TERT: ("TERT promoter", "mutated", "wildtype"),
    Marker.EGFR: ("EGFR", "amplified", "not amplified"),
    Marker.GAIN7_LOSS10: ("+7/-10", "present", "absent"),
    Marker.CDKN2A: ("CDKN2A/B", "homozygously deleted", "not homozygously deleted"),
    Marker.MGMT: ("MGMT promoter", "methylated", "unmethylated"),
    Marker.H3_K27: ("H3 K27", "altered", "wildtype"),
    Marker.H3_G34: ("H3 G34", "mutated", "wildtype"),
    Marker.P53: ("p53", "mutated", "wildtype"),
    Marker.BRAF_V600E: ("BRAF V600E", "mutated", "wildtype"),
    Marker.KI67: ("Ki-67", "", ""),
    Marker.MICROVASCULAR_PROLIFERATION: ("microvascular proliferation", "present", "absent"),
    Marker.NECROSIS: ("necrosis", "present", "absent"),
}

GLIOBLASTOMA_FEATURES = (
    Marker.MICROVASCULAR_PROLIFERATION,
    Marker.NECROSIS,
    Marker.TERT,
    Marker.EGFR,
    Marker.GAIN7_LOSS10,
)
GRADE_4_FEATURES = (Marker.CDKN2A, Marker.MICROVASCULAR_PROLIFERATION, Marker.NECROSIS)
_DECISIVE = (
    Marker.IDH1,
    Marker.IDH2,
    Marker.CODELETION_1P19Q,
    Marker.H3_K27,
    Marker.H3_G34,
    *GLIOBLASTOMA_FEATURES,
    Marker.CDKN2A,
)

Facts = Mapping[Marker, bool]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A diagnosis that the markers allow: its type and the grades it may have; none for a type without one."""

    type: TumourType
    grades: tuple[int, ...]

    @property
    def title(self) -> str:
        if self.type is TumourType.OTHER:
            return "diffuse glioma, IDH-wildtype and H3-wildtype, without glioblastoma features, NEC"
        return f"{self.type.value}, CNS WHO grade {' or '.join(map(str, self.grades))}"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements that cannot both hold.

    Attributes
    ----------
    what: the contradiction and why it is one, in a sentence or two.
    markers: the markers involved.
    source: the rule that it offends.
    """

    what: str
    markers: tuple[Marker, ...]
    source: str = "WHO CNS5 2021 (Louis et al.)"


@dataclass(frozen=True, slots=True)
class Cns5Opinion:
    """What the rules make of a sample.

    Attributes
    ----------
    candidates: every diagnosis the markers allow; one when they decide, none when they contradict each other.
    reasons: the results that led there, one sentence each.
    missing: what would decide between the candidates and is not tested or indeterminate, one sentence each.
    contradictions: between markers, and between markers and the stated diagnosis.
    """

    candidates: tuple[Candidate, ...]
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    contradictions: tuple[Contradiction, ...]

    @property
    def decided(self) -> Candidate | None:
        """The one diagnosis the markers prove; None while something is missing or contradicts."""
        return self.candidates[0] if len(self.candidates) == 1 and not self.missing else None


def known_facts(sample: HistologySample) -> dict[Marker, bool]:
    """The markers with a result, as altered or not."""
    return {m.marker: m.altered for m in sample.markers if m.altered is not None}


def check_sample(sample: HistologySample) -> Cns5Opinion:
    """Run the rules on one sample; its stated diagnosis, if any, is compared with what the markers allow."""
    known = known_facts(sample)
    contradictions = _between_markers(known, sample.site)
    if contradictions:
        return Cns5Opinion((), _reasons(known), (), (*contradictions, *_stated_grade(sample)))
    candidates, open_markers, site_open = _possible(known, sample.site)
    missing = [_missing(sample, marker) for marker in open_markers]
    if site_open:
        missing.append("Whether the tumour lies in the midline is not stated.")
    found = (*_stated_grade(sample), *_stated_type(sample, candidates, known, complete=not missing))
    return Cns5Opinion(candidates, _reasons(known), tuple(missing), found)


def _classify(facts: Facts) -> Candidate:
    """The diagnosis of a sample whose decisive markers and site are all known and do not contradict each other."""
    if facts[Marker.IDH1] or facts[Marker.IDH2]:
        if facts[Marker.CODELETION_1P19Q]:
            return Candidate(TumourType.OLIGODENDROGLIOMA, (2, 3))
        return Candidate(TumourType.ASTROCYTOMA, (4,) if any(facts[m] for m in GRADE_4_FEATURES) else (2, 3))
    if facts[Marker.H3_K27]:
        return Candidate(TumourType.DIFFUSE_MIDLINE_GLIOMA, (4,))
    if facts[Marker.H3_G34]:
        return Candidate(TumourType.DIFFUSE_HEMISPHERIC_GLIOMA, (4,))
    if any(facts[m] for m in GLIOBLASTOMA_FEATURES):
        return Candidate(TumourType.GLIOBLASTOMA, (4,))
    return Candidate(TumourType.OTHER, ())


def _possible(known: Facts, site: TumourSite) -> tuple[tuple[Candidate, ...], list[Marker], bool]:
    """Candidates over every consistent value of what is not known, and which unknowns change the result.

    A retained or untested ATRX says nothing; its loss in an IDH-mutant glioma stands for an intact 1p/19q. A mutation
    is never inferred by exclusion: codeletion alone does not prove that IDH is mutated, so IDH stays open then.
    """
    unknown = [m for m in _DECISIVE if m not in known]
    sites = (True, False) if site is TumourSite.UNKNOWN else (site is TumourSite.MIDLINE,)
    results: dict[tuple[tuple[bool, ...], bool], Candidate] = {}
    for values in itertools.product((False, True), repeat=len(unknown)):
        facts = {**known, **dict(zip(unknown, values, strict=True))}
        for midline in sites:
            where = TumourSite.MIDLINE if midline else TumourSite.HEMISPHERIC
            if not _between_markers(facts, where):
                results[values, midline] = _classify(facts)
    candidates = tuple(
        sorted(set(results.values()), key=lambda c: (list(TumourType).index(c.type), tuple(-g for g in c.grades)))
    )
    open_markers = []
    for index, marker in enumerate(unknown):
        for (values, midline), result in results.items():
            flipped = results.get(((*values[:index], not values[index], *values[index + 1 :]), midline))
            if flipped != result and (flipped is not None or values[index]):
                open_markers.append(marker)
                break
    site_open = len(sites) == 2 and any(
        results.get((values, not midline)) not in (None, result) for (values, midline), result in results.items()
    )
    return candidates, open_markers, site_open


def _between_markers(facts: Facts, site: TumourSite) -> tuple[Contradiction, ...]:
    """Contradictions among results that are known."""
    idh = [m for m in (Marker.IDH1, Marker.IDH2) if facts.get(m)]
    wildtype = facts.get(Marker.IDH1) is False and facts.get(Marker.IDH2) is False
    codeleted = facts.get(Marker.CODELETION_1P19Q) is True
    found = []
    if codeleted and wildtype:
        found.append(
            Contradiction(
                "1p/19q is codeleted although IDH1 and IDH2 are wildtype: the codeletion defines oligodendroglioma only"
                " together with an IDH mutation. Check that whole arms are lost and that IDH was sequenced.",
                (Marker.CODELETION_1P19Q, Marker.IDH1, Marker.IDH2),
            )
        )
    if codeleted and facts.get(Marker.ATRX):
        found.append(
            Contradiction(
                "1p/19q is codeleted and ATRX is lost: the two exclude each other, ATRX loss marking astrocytoma."
                " Check both tests.",
                (Marker.CODELETION_1P19Q, Marker.ATRX),
            )
        )
    for h3 in (Marker.H3_K27, Marker.H3_G34):
        name, altered, _ = WORDS[h3]
        if codeleted and facts.get(h3) and not idh and not wildtype:
            found.append(
                Contradiction(
                    f"1p/19q is codeleted and {name} is {altered}: the codeletion counts only together with an IDH"
                    " mutation, which an H3 alteration excludes. Check both tests.",
                    (Marker.CODELETION_1P19Q, h3),
                )
            )
        if idh and facts.get(h3):
            found.append(
                Contradiction(
                    f"{WORDS[idh[0]][0]} is mutated and {name} is {altered}: an IDH mutation and an H3 alteration"
                    " exclude each other. Check both tests.",
                    (*idh, h3),
                )
            )
    if facts.get(Marker.H3_K27) and facts.get(Marker.H3_G34):
        found.append(
            Contradiction(
                "H3 K27 is altered and H3 G34 is mutated: one tumour has one of them. Check both tests.",
                (Marker.H3_K27, Marker.H3_G34),
            )
        )
    if facts.get(Marker.H3_K27) and site is TumourSite.HEMISPHERIC:
        found.append(
            Contradiction(
                "H3 K27 is altered but the tumour is hemispheric: diffuse midline glioma, H3 K27-altered, lies in the"
                " midline. Check the site; outside the midline CNS5 has no such type (NEC).",
                (Marker.H3_K27,),
            )
        )
    if facts.get(Marker.H3_G34) and site is TumourSite.MIDLINE:
        found.append(
            Contradiction(
                "H3 G34 is mutated but the tumour lies in the midline: diffuse hemispheric glioma, H3 G34-mutant, is"
                " hemispheric. Check the site.",
                (Marker.H3_G34,),
            )
        )
    return tuple(found)


#: The only grades a type can have in CNS5.
_GRADES = {
    TumourType.OLIGODENDROGLIOMA: (2, 3),
    TumourType.ASTROCYTOMA: (2, 3, 4),
    TumourType.GLIOBLASTOMA: (4,),
    TumourType.DIFFUSE_MIDLINE_GLIOMA: (4,),
    TumourType.DIFFUSE_HEMISPHERIC_GLIOMA: (4,),
}


def _stated_grade(sample: HistologySample) -> tuple[Contradiction, ...]:
    """A stated grade that its own stated type cannot have."""
    stated = sample.diagnosis
    if stated is None or stated.grade is None or stated.grade in _GRADES.get(stated.type, (stated.grade,)):
        return ()
    grades = " or ".join(map(str, _GRADES[stated.type]))
    what = f"The diagnosis says grade {stated.grade}, but {stated.type.value} has grade {grades} only."
    return (Contradiction(what, ()),)


def _stated_type(
    sample: HistologySample, candidates: tuple[Candidate, ...], known: Facts, *, complete: bool
) -> tuple[Contradiction, ...]:
    """A stated type or grade that the markers rule out, and NOS where nothing is missing."""
    stated = sample.diagnosis
    if stated is None:
        return ()
    markers = tuple(m for m in _DECISIVE if m in known)
    same = [c for c in candidates if c.type is stated.type]
    found = []
    if not same:
        allowed = "; ".join(c.title for c in candidates)
        what = f"The diagnosis says {stated.title}, but the markers allow only: {allowed}."
        found.append(Contradiction(what, markers))
    elif stated.grade is not None and stated.grade in _GRADES.get(stated.type, ()):
        grades = sorted({g for c in same for g in c.grades})
        if stated.grade not in grades:
            features = [f"{WORDS[m][0]} {WORDS[m][1]}" for m in GRADE_4_FEATURES if known.get(m)]
            because = f" ({', '.join(features)})" if features else ""
            only = " or ".join(map(str, grades))
            what = f"The diagnosis says grade {stated.grade}, but the markers make it grade {only}{because}."
            found.append(Contradiction(what, tuple(m for m in GRADE_4_FEATURES if m in known)))
    if stated.suffix == "NOS" and complete:
        what = "The diagnosis is NOS, which stands for missing tests, but the markers that decide are all known."
        found.append(Contradiction(what, markers))
    return tuple(found)


def _reasons(known: Facts) -> tuple[str, ...]:
    sentences = []
    for marker, altered in known.items():
        name, yes, no = WORDS[marker]
        sentences.append(f"{name}: {yes if altered else no}.")
    return tuple(sentences)


def _missing(sample: HistologySample, marker: Marker) -> str:
    name = WORDS[marker][0]
    status = sample.marker(marker).status
    return f"{name} is indeterminate." if status is MarkerStatus.INDETERMINATE else f"{name} is not tested."
