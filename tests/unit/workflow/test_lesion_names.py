"""Lesions under names that a reader knows."""

from glioma_annotator.domain.finding import Finding, Side
from glioma_annotator.workflow.lesion_names import lesion_titles, readable
from glioma_annotator.workflow.profiles import load_profile


def test_lesions_are_called_by_their_findings_and_numbered_where_two_read_alike() -> None:
    place = (0.0, 0.0, 0.0)
    first, second = (Finding("P", "V0", "satellite", place, side=Side.LEFT) for _ in range(2))
    later = Finding("P", "V1", "cyst", place, lesion=first.lesion)
    odd = Finding("P", "V0", "unknown-term", place)
    wanted = (first.lesion, "L1", second.lesion, first.lesion, odd.lesion)
    titles = lesion_titles(wanted, (first, second, later, odd), load_profile())
    assert titles[first.lesion].endswith(", left")
    assert titles[second.lesion] == f"{titles[first.lesion]} 2"
    assert titles[odd.lesion] == "unknown-term"
    assert "L1" not in titles
    said = readable(f"{first.lesion} grew, L1 and {'a' * 32} did not.", titles)
    assert said == f"{titles[first.lesion]} grew, L1 and aaaaaa did not."
