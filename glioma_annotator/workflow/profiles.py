"""Task profiles from files: the shipped ones and those a user adds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from glioma_annotator import paths
from glioma_annotator.domain.colours import is_colour
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.plain import from_plain
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.errors import UserError

DEFAULT = "glioma"


def profile_folders() -> tuple[Path, ...]:
    """Where profiles are looked for, the user's before the shipped ones."""
    return paths.user_data() / "profiles", paths.resources() / "profiles"


def load_profile(name: str = DEFAULT, folders: Sequence[Path] | None = None) -> TaskProfile:
    """The profile NAME.json from the first folder that has it; None looks in `profile_folders`.

    Raises `UserError` when there is none, or it is damaged or contradicts itself.
    """
    places = profile_folders() if folders is None else folders
    for folder in places:
        path = folder / f"{name}.json"
        if path.is_file():
            return read_profile(path)
    raise UserError(f"There is no task profile “{name}”.", f"Put {name}.json into {places[0]}.")


def read_profile(path: Path) -> TaskProfile:
    """Read and check one profile file. Raises `UserError`."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8-sig"))  # editors on Windows put a mark in front
        if not isinstance(plain, dict):
            raise ValueError("it holds no object")
        profile = from_plain(TaskProfile, plain)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"The task profile {path.name} cannot be read: {error}", "Correct the file.") from error
    problem = _problem(profile)
    if problem:
        raise UserError(f"The task profile {path.name} contradicts itself: {problem}", "Correct the file.")
    return profile


def _problem(profile: TaskProfile) -> str:
    """What is wrong with a profile, in a sentence; empty when nothing is."""
    if problem := _scheme_problem(profile.scheme):
        return problem
    names = {label.name for label in profile.scheme.labels}
    if profile.response_region not in {region.name for region in profile.scheme.regions}:
        return f"there is no region {profile.response_region} to measure response from."
    for role, name in profile.roles.items():
        if name not in names:
            return f"the role {role} names a label {name} that the scheme does not have."
    codes = [kind.code for kind in profile.finding_kinds]
    numbers = [feature.number for feature in profile.vasari]
    for keys, what in ((codes, "finding term"), (numbers, "VASARI feature")):
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            return f"the {what} {sorted(twice)[0]} occurs twice."
    for kind in profile.finding_kinds:
        if kind.vasari and kind.vasari not in numbers:
            return f"the finding term {kind.code} names a VASARI feature {kind.vasari} that the sheet does not have."
        if unknown := set(kind.labels) - names:
            return f"the finding term {kind.code} names a label {sorted(unknown)[0]} that the scheme does not have."
    return ""


def _scheme_problem(scheme: LabelScheme) -> str:
    """What is wrong with a profile's labels and regions.

    Masks hold the program's labels, and those that readers add belong to a workspace: a profile under whose names a
    value means another tissue would give one tissue's volume as another's.
    """
    masks = GLIOMA_POST_TREATMENT
    for label in scheme.labels:
        meant = masks.label(label.value)
        if meant is None or meant.name != label.name:
            held = f"there it is {meant.name}" if meant else f"there are {', '.join(map(str, masks.values))}"
            return f"the label {label.name} has the value {label.value}, which it does not have in masks ({held})."
        if not is_colour(label.colour):
            return f"the colour of {label.name} is not written as #RRGGBB."
    for region in scheme.regions:
        if not set(region.values) <= set(scheme.values) or not region.values:
            return f"the region {region.name} is made of values that no label has."
        known = next((r for r in masks.regions if r.name == region.name), None)
        if known is not None and set(known.values) != set(region.values):
            return f"the region {region.name} is made of other labels than everywhere else in the program."
    for what in (scheme.labels, scheme.regions):
        every = [one.name for one in what]
        if twice := {name for name in every if every.count(name) > 1}:
            return f"{sorted(twice)[0]} occurs twice."
    return ""
