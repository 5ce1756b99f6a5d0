"""Naming conventions of the data sets that glioma images come in.

Each convention turns the names of a file and of the folders above it into patient, moment and the part of the name
that tells the content. Sources: the BraTS challenges' data pages (2017 to 2024), BraTS-Reg 2022, the BIDS
specification 1.10, LUMIERE (Suter et al. 2022), UCSF-PDGM (Calabrese et al. 2022), UCSF-ALPTDG (Fields et al. 2024),
UCSD-PTGBM and MU-Glioma-Post (The Cancer Imaging Archive), UPENN-GBM (Bakas et al. 2022), RHUH-GBM (Cepeda et
al. 2023), the Medical Segmentation Decathlon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.workflow.recognition.moments import SINGLE_VISIT, Moment, find_moment, without_moment
from glioma_annotator.workflow.recognition.words import Content, describe, tokens

#: BraTS 2023 and later: already the program's values.
POST_TREATMENT: Mapping[int, int] = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}
#: HD-GLIO-AUTO: 1 non-enhancing FLAIR signal abnormality, 2 contrast-enhancing tumour.
HD_GLIO: Mapping[int, int] = {0: 0, 1: 2, 2: 3}
#: Medical Segmentation Decathlon, task 1: 1 oedema, 2 non-enhancing, 3 enhancing tumour.
DECATHLON: Mapping[int, int] = {0: 0, 1: 2, 2: 1, 3: 3}
DECATHLON_CHANNELS = (SequenceRole.FLAIR, SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2)


@dataclass(frozen=True, slots=True)
class Match:
    """What a convention reads from a name.

    Attributes
    ----------
    why: the convention's name, for the reader.
    patient: patient key.
    moment: when; None when the convention knows a single visit per patient.
    content: what the file holds.
    labels: meaning of a mask's values in the program's; None when the convention does not fix it.
    channels: roles of the channels of a 4D file.
    variant: the space that the file was moved to, when the name tells one.
    """

    why: str
    patient: str
    moment: Moment | None
    content: Content
    labels: Mapping[int, int] | None = None
    channels: tuple[SequenceRole, ...] = ()
    variant: str = ""


_BRATS_2023 = re.compile(r"(?P<patient>brats(?:-[a-z]+)+-\d+)-(?P<number>\d{3})(?:-(?P<rest>.+))?", re.I)
_BRATS_REG = re.compile(r"(?P<patient>bratsreg_\d+)_(?P<number>\d{2})_(?P<day>\d{4})_(?P<rest>.+)", re.I)
_BRATS_2017 = re.compile(r"(?P<patient>brats\d{2,4}_\w+?)_(?P<rest>(?:t1ce|t1gd|t1|t2|flair|seg)(?:_.*)?)", re.I)
_DECATHLON = re.compile(r"brats_\d{3}", re.I)
_PDGM = re.compile(r"(?P<patient>ucsf-pdgm-\d+)(?:_fu(?P<day>\d+)d)?_(?P<rest>.+)", re.I)
_ALPTDG = re.compile(r"(?P<patient>\d{6})_(?:time(?P<number>\d+)_)?(?P<rest>.+)", re.I)
_UCSD = re.compile(r"(?P<patient>ucsd-ptgbm-\d+)_(?P<number>\d{2})_(?P<rest>.+)", re.I)
_MU_POST = re.compile(r"(?P<patient>patientid_\d{4})_(?P<visit>timepoint_(?P<number>\d+))_(?P<rest>.+)", re.I)
_UPENN = re.compile(r"(?P<patient>upenn-gbm-\d+)_(?P<number>\d{2})_(?P<rest>.+)", re.I)
_RHUH = re.compile(r"(?P<patient>rhuh-\d+)_(?P<number>[012])(?:_(?P<rest>.+))?", re.I)
#: Values of BIDS's "space" for the scan's own; others are templates or other scans.
_OWN_SPACES = ("orig", "individual", "native", "scanner", "anat", "t1w", "t2w", "flair")
_BIDS_ENTITY = re.compile(r"(?:^|_)(?P<key>[a-z]+)-(?P<value>[a-z0-9]+)(?=_|$)", re.I)


def match_convention(folders: tuple[str, ...], stem: str) -> Match | None:
    """The convention that a file's name follows; None when it follows none.

    Parameters
    ----------
    folders: names of the folders above the file, outermost first.
    stem: the file's name without .nii or .nii.gz.
    """
    brats = (_brats_2023, _brats_reg, _decathlon, _brats_2017)
    for convention in (*brats, _ucsf_pdgm, _ucsf_alptdg, _ucsd, _mu_post, _upenn, _rhuh, _bids):
        if found := convention(folders, stem):
            return found
    return None


def hinted_labels(folders: tuple[str, ...], stem: str) -> Mapping[int, int] | None:
    """The meaning of a mask's values when folder or name tells which program made it."""
    text = "/".join((*folders, stem)).lower()
    return HD_GLIO if "hd-glio" in text or "hdglio" in text else None


def known_tree(folders: tuple[str, ...]) -> str:
    """The data set whose folder names these are; empty when none is known."""
    names = [f.lower() for f in folders]
    if any(re.fullmatch(r"bratsreg_\d+", n) for n in names):
        return "BraTS-Reg folders"
    if any(re.fullmatch(r"patient-\d+", n) for n in names) and any(re.fullmatch(r"week-\d+(-\d+)?", n) for n in names):
        return "LUMIERE folders"
    return ""


def _brats_2023(folders: tuple[str, ...], stem: str) -> Match | None:
    found = _BRATS_2023.fullmatch(stem)
    rest = found["rest"] or "" if found else stem
    if not found and folders:  # only the folder carries the key: BraTS-GLI-00001-000/t1c.nii.gz
        found = _BRATS_2023.fullmatch(folders[-1])
    if not found or (found["rest"] and rest == stem):
        return None
    moment = Moment(found["number"], number=int(found["number"]))
    if "-ped-" in found["patient"].lower():  # they number tissues otherwise, and not the same in every year
        return Match("BraTS-PEDs name: check what a mask's values mean", found["patient"], moment, describe(rest))
    return Match("BraTS 2023 name", found["patient"], moment, describe(rest), POST_TREATMENT)


def _brats_reg(_folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _BRATS_REG.fullmatch(stem)):
        return None
    number, day = int(found["number"]), int(found["day"])
    phase = TreatmentPhase.PRE_OPERATIVE if number == 0 else TreatmentPhase.FOLLOW_UP
    moment = Moment(f"day{day:04d}", day=day, number=number, phase=phase)
    return Match("BraTS-Reg name", found["patient"], moment, describe(found["rest"]))


def _decathlon(folders: tuple[str, ...], stem: str) -> Match | None:
    if not _DECATHLON.fullmatch(stem):
        return None
    mask = bool(folders) and folders[-1].lower().startswith("labels")
    content = Content(ImportKind.MASK if mask else ImportKind.IMAGE)
    return Match("Medical Segmentation Decathlon name", stem, None, content, DECATHLON, DECATHLON_CHANNELS)


def _brats_2017(folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _BRATS_2017.fullmatch(stem)):
        return None
    # All scans of these years are from before surgery; a folder between may tell of a visit that a user added.
    own = next((i for i, folder in enumerate(folders) if folder.lower() == found["patient"].lower()), len(folders))
    told = next((moment for folder in reversed(folders[own:]) if (moment := find_moment(folder))), None)
    moment = told or Moment(SINGLE_VISIT, number=0, phase=TreatmentPhase.PRE_OPERATIVE)
    return Match("BraTS 2017-2021 name", found["patient"], moment, describe(found["rest"]), BRATS_2021_TO_PROGRAM)


def _ucsf_pdgm(_folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _PDGM.fullmatch(stem)):
        return None
    day = int(found["day"] or 0)
    phase = TreatmentPhase.UNKNOWN if found["day"] else TreatmentPhase.PRE_OPERATIVE
    moment = Moment(f"day{day:04d}", day=day, phase=phase)
    return Match("UCSF-PDGM name", found["patient"], moment, describe(found["rest"]), BRATS_2021_TO_PROGRAM)


def _ucsf_alptdg(folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _ALPTDG.fullmatch(stem)):
        return None
    content = describe(found["rest"])
    number = int(found["number"]) if found["number"] else None
    if number is None and content.name.endswith("subtraction"):
        content = replace(content, leave_out="it shows what changed between two visits")
    if number is None and not content.leave_out:
        return None
    patient = next((f for f in reversed(folders) if f.endswith(found["patient"])), found["patient"])
    moment = None if number is None else Moment(f"time{number}", number=number)
    return Match("UCSF-ALPTDG name", patient, moment, content, POST_TREATMENT)


def _ucsd(_folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _UCSD.fullmatch(stem)):
        return None
    content = describe(found["rest"])
    if content.kind is ImportKind.MASK and "cellular" in found["rest"].lower():
        content = Content(ImportKind.MASK, leave_out="it marks where diffusion shows dense cells, not tissues")
    moment = Moment(found["number"], number=int(found["number"]))
    return Match("UCSD-PTGBM name", found["patient"], moment, content, POST_TREATMENT)


def _mu_post(_folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _MU_POST.fullmatch(stem)):
        return None
    moment = Moment(found["visit"].lower(), number=int(found["number"]))
    return Match("MU-Glioma-Post name", found["patient"], moment, describe(found["rest"]), POST_TREATMENT)


def _upenn(_folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _UPENN.fullmatch(stem)):
        return None
    first = found["number"] == "11"  # before surgery; 21 is the follow-up
    phase = TreatmentPhase.PRE_OPERATIVE if first else TreatmentPhase.FOLLOW_UP
    moment = Moment(found["number"], number=int(found["number"]), phase=phase)
    return Match("UPENN-GBM name", found["patient"], moment, describe(found["rest"]), BRATS_2021_TO_PROGRAM)


def _rhuh(_folders: tuple[str, ...], stem: str) -> Match | None:
    if not (found := _RHUH.fullmatch(stem)):
        return None
    phases = (TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.EARLY_POST_OPERATIVE, TreatmentPhase.PROGRESSION)
    moment = Moment(found["number"], number=int(found["number"]), phase=phases[int(found["number"])])
    return Match("RHUH-GBM name", found["patient"], moment, describe(found["rest"] or ""), POST_TREATMENT)


def _bids(folders: tuple[str, ...], stem: str) -> Match | None:
    entities = {m["key"].lower(): m["value"] for m in _BIDS_ENTITY.finditer(stem)}
    above = {m["key"].lower(): m["value"] for f in folders for m in _BIDS_ENTITY.finditer(f) if f.startswith(m["key"])}
    subject = entities.get("sub") or above.get("sub")
    session = entities.get("ses") or above.get("ses")
    if not subject or not (session or "sub" in entities):  # a folder that is called sub-01 makes no BIDS of its files
        return None
    own = next((i + 1 for i, folder in enumerate(folders) if folder.lower() == f"sub-{subject}".lower()), 0)
    moment = next((told for folder in reversed(folders[own:]) if (told := _told_alone(folder))), None)
    if session:
        told = find_moment(session)
        number = 0 if session.lower() == "pre" else None
        moment = Moment(f"ses-{session}", number=int(session) if session.isdigit() and len(session) < 8 else number)
        if told:
            moment = Moment(moment.key, told.date, told.day, told.number, told.phase, told.baseline)
    space = entities.get("space", "")
    variant = f"space-{space}" if space and space.lower() not in _OWN_SPACES else ""
    return Match("BIDS name", f"sub-{subject}", moment, _bids_content(entities, stem), variant=variant)


def _told_alone(folder: str) -> Moment | None:
    """When, as told by a folder's name that holds nothing else."""
    return None if tokens(without_moment(folder)) else find_moment(folder)


def _bids_content(entities: Mapping[str, str], stem: str) -> Content:
    suffix = stem.rsplit("_", 1)[-1]
    if "-" in suffix:  # no suffix: sub-01_ses-02 alone; below a session's folder a file may have any name
        return Content() if "sub" in entities else describe(stem)
    if suffix in ("dseg", "mask", "probseg"):
        words = " ".join((entities.get("desc", ""), entities.get("label", ""), suffix))
        return describe(words)
    if suffix == "UNIT1":  # the uniform T1-weighted image of an MP2RAGE; "inv" marks the two it is made of
        suffix = "T1w"
    elif "inv" in entities:
        return Content(ImportKind.IMAGE, name=f"inv-{entities['inv']} {suffix}")
    content = describe(suffix)
    if content.role is SequenceRole.T1:
        words = "gd" if "ce" in entities else entities.get("acq", "")
        return replace(content, role=describe(f"T1w {words}").role)
    if content.kind is None:
        return describe(stem)
    return content
