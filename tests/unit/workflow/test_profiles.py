"""Task profiles from files."""

import json
from pathlib import Path

import pytest

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.errors import UserError
from glioma_annotator.paths import resources
from glioma_annotator.workflow.profiles import load_profile, read_profile

SHIPPED = resources() / "profiles" / "glioma.json"


def changed(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "glioma.json"
    path.write_text(json.dumps(json.loads(SHIPPED.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    return path


def test_the_shipped_profile_has_the_sheet_and_puts_vasari_terms_first() -> None:
    profile = load_profile(folders=[SHIPPED.parent])
    assert profile.scheme == GLIOMA_POST_TREATMENT
    assert [f.number for f in profile.vasari] == [f"F{n}" for n in range(1, 31)]
    groups = [kind.group for kind in profile.finding_kinds]
    assert groups[0] == "VASARI"
    assert groups == sorted(groups, key=["VASARI", "After treatment", "Other"].index)
    satellite = profile.finding_kind("satellite")
    assert satellite is not None
    assert satellite.vasari == "F24"
    assert profile.finding_kind("unheard-of") is None


def test_every_feature_is_an_option_list_or_a_figure() -> None:
    for feature in load_profile(folders=[SHIPPED.parent]).vasari:
        assert bool(feature.options) != bool(feature.unit), feature.number
        assert len({o.code for o in feature.options}) == len(feature.options)


def test_a_user_s_profile_comes_before_the_shipped_one(tmp_path: Path) -> None:
    changed(tmp_path, title="Ours")
    assert load_profile(folders=[tmp_path, SHIPPED.parent]).title == "Ours"


def test_an_unknown_profile_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="meningioma"):
        load_profile("meningioma", [tmp_path])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"response_region": "XX"}, "region XX"),
        ({"roles": {"enhancing": "XX"}}, "label XX"),
        ({"finding_kinds": [{"code": "a", "title": "A", "group": "G"}] * 2}, "a occurs twice"),
        ({"finding_kinds": [{"code": "a", "title": "A", "group": "G", "vasari": "F99"}]}, "F99"),
        ({"finding_kinds": [{"code": "a", "title": "A", "group": "G", "labels": ["XX"]}]}, "label XX"),
        ({"finding_kinds": [{"code": "a"}]}, "cannot be read"),
        ({"colour": "blue"}, "cannot be read"),
    ],
)
def test_a_profile_that_contradicts_itself_is_refused_saying_why(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_profile(changed(tmp_path, **changes))


def scheme(**changes: object) -> dict[str, object]:
    """The shipped profile's labels and regions with changes to the first label, or to the first region."""
    plain = json.loads(SHIPPED.read_text(encoding="utf-8"))["scheme"]
    for name, change in changes.items():
        plain[name][0].update(change)
    return {"scheme": plain}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (scheme(labels={"value": 3}), "NETC has the value 3.*there it is ET"),
        (scheme(labels={"name": "Cyst"}), "Cyst has the value 1.*there it is NETC"),
        (scheme(labels={"value": 300}), "NETC has the value 300.*there are 1, 2, 3, 4"),
        (scheme(labels={"value": 0}), "NETC has the value 0"),
        (scheme(labels={"colour": "blue"}), "colour of NETC"),
        (scheme(regions={"values": [9]}), "region ET is made of values"),
        (scheme(regions={"values": []}), "region ET is made of values"),
        (scheme(regions={"values": [1]}), "region ET is made of other labels"),
        (scheme(regions={"name": "TC", "values": [1, 3]}), "TC occurs twice|no region ET"),
    ],
)
def test_a_profile_cannot_make_one_tissue_another(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_profile(changed(tmp_path, **changes))


def test_a_profile_may_leave_labels_out_and_have_regions_of_its_own(tmp_path: Path) -> None:
    plain = json.loads(SHIPPED.read_text(encoding="utf-8"))["scheme"]
    plain["labels"], plain["regions"] = plain["labels"][:3], plain["regions"][:3]
    plain["regions"].append({"name": "Both", "title": "Core and oedema", "values": [1, 2]})
    profile = read_profile(changed(tmp_path, scheme=plain, roles={"enhancing": "ET"}, finding_kinds=[]))
    assert [region.name for region in profile.scheme.regions] == ["ET", "TC", "WT", "Both"]


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "glioma.json"
    path.write_bytes(b"\xef\xbb\xbf" + SHIPPED.read_bytes())
    assert read_profile(path).name == "glioma"


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "3", "[" * 100_000])
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "glioma.json"
    path.write_text(text)
    with pytest.raises(UserError, match="cannot be read"):
        read_profile(path)
