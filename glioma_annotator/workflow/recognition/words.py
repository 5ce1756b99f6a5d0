"""What the words in a file name say about its content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.sequences import SequenceRole

_T1GD = re.compile(
    r"(ce|c)?t1(w|wi)?(c|ce|gd|gad|gado|gadolinium|post|postcontrast|postgd|pc|km|cm|contrast|enh|enhanced|\+c|c\+|\+)"
    r"|c?e?ct1(w|wi)?|cet1(w|wi)?|t1\+(c|gd|ce)"
)
_T1 = re.compile(
    r"t1(w|wi|n|pre|native|nativ|se|tse|fse|ir|tfe|tfl|vibe|gre|fl2d|flair)?|mprage|spgr|fspgr|bravo|mp2rage"
)
_T2 = re.compile(r"t2(w|wi|tse|fse|se|space|n|blade|propeller)?")
#: Words of T2*-weighted scans that also say T2, as GRE and the scanners' names for it.
_T2_STAR = frozenset("star t2star gre fl2d fl3d ffe hemo haemo".split())
#: FLAIR as some scanners call it, in two words.
_DARK_FLUID = (("dark", "fluid"), ("da", "fl"))
_FLAIR = re.compile(r"(t2)?(w)?flair\w*|t2f|tirm|darkfluid")
_CONTRAST = frozenset(
    "gd gad gado gadolinium gadolinio gadovist dotarem ce +c c+ c post postcontrast postgd contrast contraste contrasto"
    " km cm enhanced".split()
)
_NO_CONTRAST = frozenset("pre precontrast non noncontrast without native nativ ohne".split())
#: What denies the word of contrast medium that follows it: T1_no_gd, T1_vor_KM.
_DENYING = frozenset("no wo before vor sans sin sem senza zonder".split())
#: An examination with and without contrast medium (W_WO_CONTRAST), which tells nothing of one of its images.
_WITH, _WITHOUT, _AND = "w(?:ith)?", "w(?:ith)?[-_ ]?o(?:ut)?", "[-_ +]*(?:and|then)?[-_ +]*"
_BOTH = re.compile(
    rf"(?<![a-z0-9])(?:{_WITH}{_AND}{_WITHOUT}|{_WITHOUT}{_AND}{_WITH})(?![a-z0-9])"
    r"(?:[-_ ]+(?:iv[-_ ]+)?(?:contrast|gad[a-z]*|gd)(?![a-z0-9]))?"
)
#: Ways of writing "without" that would be torn apart: W/O as in W_O_CONTRAST, C- at the end of a name.
_W_O = re.compile(r"(?<![a-z0-9])w[-_ ]o(?![a-z0-9])")
_C_MINUS = re.compile(r"(?<![a-z0-9])c-(?=[_. ]|$)")
_OTHER = frozenset(
    "adc dwi swi asl rcbv cbv cbf mtt ttp tmax fa md ad rd pd pdw dsc dce dti perf perfusion t2star t2s ktrans pet ct"
    " bold gre trace subtraction subtr erly hemo haemo".split()
)
#: Of these, what is no weighted image though its name also tells a weighting: T1_DCE, t2_adc.
_MEASURED = frozenset("adc dwi swi asl rcbv cbv cbf mtt ttp tmax dsc dce dti ktrans".split())
_MASK = frozenset(
    "seg segm segs segmentation segmentations mask masks label labels labelmap labelmaps dseg roi gt groundtruth truth"
    " annotation annotations voi tumormask tumourmask tumorseg tumorsegmentation segmask brainmask probseg"
    " glistrboost labelstr labelsts autoseg".split()
)
_MASK_UNLESS_ROLE = frozenset("tumor tumour lesion lesions glioma gold".split())
_BRAIN = frozenset("brain brainmask bet skull parenchyma skullstrip".split())
_PARCELS = frozenset("gm wm csf aseg aparc aparcaseg aparc+aseg parcellation synthseg".split())
_CHANGE = frozenset("subtraction subtr subtracted subtraktion minus change changes difference diff".split())
#: Of images in units of their own (relaxation times), which are no weighted images.
_MAPS = frozenset("map maps mapping".split())
#: What follows names where an image was moved to: FLAIR_to_T1 is a FLAIR.
_TOWARDS = frozenset("to in on into onto reg coreg registered coregistered aligned resliced resampled".split())
_PROBABILITY = frozenset("prob probability probabilities pmap probseg uncertainty softmax".split())
_PROCESSING = frozenset(
    "raw native orig original origspace registered reg coreg coregistered aligned warped sri24 sri bet stripped skull"
    " strip skullstripped ss preprocessed processed preproc bias biascorrected n4 mni mni152 atlas auto manual"
    " resampled resliced iso 1mm brain norm normalised normalized native r2s".split()
)
_IN_PLACE = frozenset("raw native orig original origspace auto manual".split())
_CONTAINERS = frozenset(
    "anat nifti niftis nii niigz images image imaging img mri mr mrt data derivatives rawdata sourcedata scans study"
    " studies dataset datasets export exports series nifty imagestr imagests training validation test train val files"
    " func perf dwi cohort site center centre batch release".split()
)
_COLLECTIONS = frozenset(
    "study studies data dataset datasets cohort batch release export exports training validation test train val"
    " project projects trial collection archive patients cases subjects department hospital clinic disk drive".split()
)
_YEAR_OR_VERSION = re.compile(r"(?:19|20)\d{2}|v\d+")
#: How a scan was taken: its plane, its kind of sequence.
_SCAN = frozenset(
    "ax axial tra trans transversal transverse sag sagittal cor coronal obl oblique 2d 3d cube space spc vista"
    " tse fse se ir fs fatsat stir water inphase opp dixon mpr recon sense wip iso".split()
)
#: Words of folders that hold a part of one visit.
_SERIES = frozenset("series serie ser se im run echo acq rep recon slab stack".split())


@dataclass(frozen=True, slots=True)
class Content:
    """What a name says a file holds.

    Attributes
    ----------
    kind: image or mask; None when the name does not tell.
    role: contrast of an image, or the contrast a mask was drawn on; OTHER when the name does not tell.
    name: a free name for a sequence that is none of the four contrasts, such as ADC; may be empty.
    leave_out: why it cannot be imported as image or tissue mask; empty when it can.
    """

    kind: ImportKind | None = None
    role: SequenceRole = SequenceRole.OTHER
    name: str = ""
    leave_out: str = ""


def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words of a name: letters, digits and + kept together, all else separates."""
    return tuple(t for t in re.split(r"[^a-z0-9+]+", text.lower()) if t)


def describe(text: str) -> Content:
    """What the words of a file name (without suffix, patient and visit) say."""
    words = tokens(_C_MINUS.sub("wo c", _W_O.sub("wo", _BOTH.sub(" ", text.lower()))))
    role = _role(words)
    present = frozenset(words)
    mask = bool(present & _MASK) or (role is None and bool(present & _MASK_UNLESS_ROLE))
    if mask:
        return Content(ImportKind.MASK, role or SequenceRole.OTHER, leave_out=_no_tissue(present))
    words = _moved(words)
    measured = any(word in _MEASURED and follower != "space" for word, follower in pairwise((*words, "")))
    role = None if measured else _role(words)
    if role is None:
        known = frozenset(words) & _OTHER
        name = next((w.upper() for w in reversed(words) if w in known), "")
        return Content(ImportKind.IMAGE if known else None, name=name)
    if present & _CHANGE or words[-1] == "sub":
        return Content(ImportKind.IMAGE, name=f"{role.value} subtraction")
    if present & _MAPS:
        return Content(ImportKind.IMAGE, name=f"{role.value} map")
    return Content(ImportKind.IMAGE, role)


def _moved(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words in front of those that name the contrast to which an image was moved."""
    for place, word in enumerate(words):
        before, target = words[:place], words[place + 1 :]
        told = _role(before) is not None or not _OTHER.isdisjoint(before)
        if word in _TOWARDS and told and any(w in _OTHER or _role((w,)) for w in target):
            return before
    return words


def _role(words: tuple[str, ...]) -> SequenceRole | None:
    t1gd = any(_T1GD.fullmatch(w) for w in words)
    t1 = any(_T1.fullmatch(w) for w in words)
    if t1gd:
        return SequenceRole.T1GD
    if t1:  # before FLAIR: a "T1 FLAIR" is T1-weighted
        denied = not _NO_CONTRAST.isdisjoint(words) or any(
            word in _DENYING and follower in _CONTRAST for word, follower in pairwise(words)
        )
        return SequenceRole.T1GD if not denied and not _CONTRAST.isdisjoint(words) else SequenceRole.T1
    if any(_FLAIR.fullmatch(w) for w in words) or not set(_DARK_FLUID).isdisjoint(pairwise(words)):
        return SequenceRole.FLAIR
    if any(_T2.fullmatch(w) for w in words) and _T2_STAR.isdisjoint(words):
        return SequenceRole.T2
    if {"gd", "gad", "gadolinium", "postcontrast"}.intersection(words):
        return SequenceRole.T1GD
    return None


def _no_tissue(words: frozenset[str]) -> str:
    if words & _CHANGE:
        return "it marks what changed between two visits, not the tissues of one"
    if words & _PROBABILITY:
        return "it holds probabilities, not labels"
    if words & _PARCELS:
        return "it marks tissues of the healthy brain, not of the tumour"
    if words & _BRAIN and not words & _MASK_UNLESS_ROLE:
        return "it marks the brain, not tumour tissue"
    return ""


def names_mask(folder: str) -> bool:
    """Whether a folder's name says that masks lie in it."""
    return bool(_MASK.intersection(tokens(folder)))


def names_container(folder: str) -> bool:
    """Whether a folder's name (anat, images, ...) says nothing about patient or visit."""
    words = [w for w in tokens(folder) if not w.isdigit()]
    return bool(words) and all(w in _CONTAINERS for w in words)


def names_series(folder: str) -> bool:
    """Whether a folder is one of several parts of a visit, numbers aside."""
    return not _SERIES.isdisjoint(re.findall(r"[a-z]+", folder.lower()))


def names_collection(folder: str) -> bool:
    """Whether a folder's name is a data set's rather than a patient's: GBM_2023, glioma_cohort1, study_v2."""
    numbers = [w for w in tokens(folder) if any(c.isdigit() for c in w)]
    letters = {w.rstrip("0123456789") for w in tokens(folder)}
    return not letters.isdisjoint(_COLLECTIONS) or all(_YEAR_OR_VERSION.fullmatch(w) for w in numbers)


def processing(folder: str) -> str | None:
    """The folder's name when it names a processing state (raw, native, registered, ...), else None."""
    words = [w for w in tokens(folder) if not w.isdigit()]
    return folder if words and all(w in _PROCESSING for w in words) else None


def other_space(folder: str) -> bool:
    """Whether a processing folder holds images that were moved out of the scanner's space."""
    return processing(folder) is not None and not _IN_PLACE.issuperset(w for w in tokens(folder) if not w.isdigit())


def names_role(folder: str) -> bool:
    """Whether a folder is named after a contrast and nothing else, as series folders are."""
    return _role(tokens(folder)) is not None


def names_scan(text: str) -> bool:
    """Whether a text holds nothing but words on how a scan was taken, with numbers or without: no patient's name."""
    words = [w for w in tokens(text) if not w.isdigit()]
    return bool(words) and all(w in _SCAN or w in _CONTRAST or w in _OTHER for w in words)


def is_word(token: str) -> bool:
    """Whether a token of a file name is about content or processing, so not part of a patient's key."""
    return (
        any(p.fullmatch(token) for p in (_T1GD, _T1, _T2, _FLAIR))
        or token in _CONTRAST | _OTHER | _MASK | _MASK_UNLESS_ROLE | _PROCESSING | _CONTAINERS | _BRAIN | _NO_CONTRAST
    )
