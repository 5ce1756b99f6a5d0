"""Rules of post-processing: what is done to a model's mask after the network, as its card says."""

from __future__ import annotations

from dataclasses import dataclass

from glioma_annotator.domain.sequences import SequenceRole


@dataclass(frozen=True, slots=True)
class Likelier:
    """A label that is likelier in a brain that was operated on than among all that a model learnt from.

    What a model gives each class is right for shares of the classes as in its training; where they are known to be
    others, odds change by the same factor (Saerens et al., Neural Computation 2002). Where a resection is known there
    is a cavity, and a network that knows of none takes clear fluid in normal brain for a sulcus or a ventricle: in
    seven visits whose painted cavity it missed, or half of it, the largest piece with a share of 0.05 or more was all
    cavity in five (benchmarks/measured/models.md). One cavity is what is expected, so the rest stays as it was found.
    Where some of it was found, what is missed lies beside that and has the same fluid, and is on the same side of the
    brain where that is as clear as the ventricles'; else it is a ventricle or a sulcus that the cavity touches.

    Attributes
    ----------
    label: the value; background alone becomes it.
    times: factor of its odds where the patient is known to have had a resection.
    found: of the largest connected part that the label and such background make up, the share that is the label
        already, from which on it is taken to be found as a whole, and nothing is done.
    within_mm: how far from what was found the rest of it may lie; 0 for any distance.
    least_ml: of less than this volume found, the rest may lie anywhere.
    similar: the share of the way from the brain's brightness to that of the fluid found, on T2 less FLAIR, at which it
        begins; 0 for any brightness, and either side.
    """

    label: int
    times: float = 20.0
    found: float = 0.9
    within_mm: float = 2.0
    least_ml: float = 0.5
    similar: float = 0.5


@dataclass(frozen=True, slots=True)
class TooSmall:
    """A label whose whole volume, below `below_ml`, is taken for another's.

    nnU-Net's BraTS 2020 entry (Isensee et al., arXiv 2011.00848) calls enhancing tumour of fewer than 200 voxels
    (0.2 mL) necrosis: so little of it is mostly not there at all, and one false voxel turns its Dice from 1 to 0.
    A little cavity in a brain where nothing else was found is fluid of a cistern. A recurrence begins small: of what is
    left of ET after surgery, when linings and normal anatomy are taken away, what has 0.1 to 0.2 mL mostly is one
    (benchmarks/measured/models.md).

    Attributes
    ----------
    label: value that is too small to be real.
    below_ml: volume in mL under which it is.
    becomes: value its voxels get; 0 for background.
    alone: only where no other label was found.
    operated: only where the patient is known to have had a resection, or (False) only where not; None for anyone.
    """

    label: int
    below_ml: float
    becomes: int
    alone: bool = False
    operated: bool | None = None


@dataclass(frozen=True, slots=True)
class Mirrored:
    """Components of one label that mirror each other across the mid-sagittal plane.

    Both cerebellar hemispheres, both orbits or both ventricles are normal anatomy; a tumour or a cavity on one side has
    no mirror image. Without such a rule "keep the largest component" may keep the cerebellum and drop the tumour.

    Attributes
    ----------
    label: value of which such a component consists, but for a share of `most_other`.
    also: values that count as the label's own unless the patient is known to have had a resection: what the model takes
        normal anatomy for as well.
    alone: whether components and their mirror images are those of this label alone, whatever touches them, where such
        as cross the plane stay; else they are those of all tissue, and nothing is left out when less than
        `least_left` of its volume would remain: then it is the tumour, which may reach across the plane.
    share: of a component's voxels that must have tissue at their mirror image's place, within `within_mm`.
    """

    label: int
    also: tuple[int, ...] = ()
    alone: bool = False
    share: float = 0.5
    within_mm: float = 3.0
    most_other: float = 0.1
    least_left: float = 0.1


@dataclass(frozen=True, slots=True)
class Paired:
    """Parts of a label that the other side of the brain shows as well, by brightness: normal anatomy.

    Choroid plexus, vessels, falx, dura and sinuses enhance as tumour does, and ventricles are fluid as a cavity is:
    where they run through oedema or beside a cavity a network takes them for it. A tumour's enhancement is thicker,
    lies within other tissue of the tumour, or has no counterpart as bright (benchmarks/measured/models.md).

    Attributes
    ----------
    label: value that is left out.
    as_bright: sequences on which a voxel's counterpart is at least as bright as its component's mean.
    alike: sequences on which it is as bright as the voxel itself. Without all of both nothing is done.
    slack: standard deviations of the brain's brightness by which it may differ from that.
    share: of a component's voxels that must have a counterpart at their mirror image's place, within `within_mm`.
    around_mm: that share is asked of each voxel's neighbourhood in the component (a Gaussian of this standard
        deviation), so that a part of it may be left out: a ventricle that a cavity has run into; 0 for all or nothing.
    thinner_mm: a component that a ball of this diameter fits into stays; 0 where thickness says nothing.
    bordering: share of a component's neighbours that must lie outside all tissue.
    """

    label: int
    as_bright: tuple[SequenceRole, ...] = ()
    alike: tuple[SequenceRole, ...] = ()
    slack: float = 0.0
    share: float = 0.5
    within_mm: float = 4.0
    thinner_mm: float = 0.0
    bordering: float = 0.0
    around_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An island beside a larger finding that the model itself doubts is left out.

    On 130 painted samples that no model was trained on, 79 islands of less than 10 mL had a mean probability of tissue
    below 0.8: 61 mL of them lay outside the tumour, 12 mL within. Of nine that were surer, seven lay within.

    Attributes
    ----------
    below_ml: an island of at least this volume stays, and so do the largest finding and what is surer than that.
    sure: mean probability of any tissue from which on an island stays.
    """

    below_ml: float = 10.0
    sure: float = 0.8


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Tissue of one label inside a rim of others.

    What an enhancing rim encloses is tumour core by definition: BraTS' oedema lies outside it. A network that sees a
    part of a large ring only cannot tell the two apart by brightness.

    Attributes
    ----------
    label: value that cannot lie within such a rim.
    rim: values that make up the rim.
    becomes: value its voxels get.
    gap_mm: gaps of the rim up to this width count as closed.
    """

    label: int
    rim: tuple[int, ...]
    becomes: int
    gap_mm: float = 3.0


@dataclass(frozen=True, slots=True)
class Outside:
    """Core outside the rim that encloses a core of its own.

    The BraTS 2021 and 2024 annotation rules (Baid et al., arXiv 2107.02314; de Verdier et al., arXiv 2405.18368) call
    core what an enhancing rim encloses, and oedema and infiltration without enhancement outside it SNFH. Where that is
    bright and even, a network takes it for core. A lesion of mostly non-enhancing core with a little enhancement, as of
    low grade, is left alone.

    Attributes
    ----------
    label: value that does not lie outside such a rim.
    rim: values that make up the rim.
    becomes: value its voxels get.
    gap_mm: gaps of the rim up to this width count as closed where it is asked what the rim encloses.
    notch_mm: what lies in notches and gaps of the rim up to this width does not count as outside.
    margin_mm: a rim so open that its convex hull holds more than twice what it encloses is taken to enclose what lies
        in that hull; outside is what lies farther from this and from the rim.
    island: islands with less than this share of the largest part of a lesion's rim are no part of it.
    least_ml: volume that a rim must enclose to count.
    share: of a lesion's rim and core that the rim and what it encloses must make up.
    """

    label: int
    rim: tuple[int, ...]
    becomes: int
    gap_mm: float = 3.0
    notch_mm: float = 10.0
    margin_mm: float = 2.0
    island: float = 0.1
    least_ml: float = 0.5
    share: float = 0.15


@dataclass(frozen=True, slots=True)
class Unenclosed:
    """Core that no enhancing rim encloses, in a brain that was operated on.

    After treatment core is what enhancing tumour encloses, and turbid fluid or blood where tumour was taken out is
    cavity (de Verdier et al., arXiv 2405.18368). In eight post-treatment masks of UCSF-ALPTDG rims cover 84 to 100 % of
    the surface of every core of 0.1 mL or more. Before surgery, low-grade core has no rim; a turbid cavity looks like
    that, so a network that knows of no surgery calls it core.

    Fluid is told from oedema by FLAIR, on which free water is dark, and T2, on which it is bright: by FLAIR less half
    of T2, where 0 is what 2 % of the brain's voxels lie below and 1 what 75 % do, after a blur of 1 mm. Of painted
    patients' core without a rim, a voxel of cavity had less of it than one of oedema in 86 to 100 % of all pairs. In
    the four real development cases nine of ten voxels of oedema have more than 0.4, and of fluid less than -0.2. Fluid
    too turbid for that is still dark on T1Gd: of two painted cavities that were lost the two had a sum of 0.9 and 1.0
    (medians), oedema beside cavities mostly 1.2 and more. How dark it is differs by patient: of 25 such parts of 0.5 mL
    or more that the network was sure to be core, the 15 that were cavity (of five patients) had at most 0.80 of that
    sum of the patient's own oedema, the ten others (of seven) at least 0.89. Where that oedema is nearly as dark, as on
    scanners that bend contrasts, these levels say nothing: 29 mL of oedema became cavity in one painted patient, 8 mL
    in another. So fluid has to lie well below the patient's own oedema, too.

    A thin line of enhancement is the lining of a cavity (`Lining`), no rim of tumour: of the enhancing tumour of those
    eight masks 89 to 100 % lies where it is 2 mm thick or more.

    Attributes
    ----------
    label: value that cannot lie without a rim.
    rim: values that make up the rim.
    cavity: value that fluid gets.
    becomes: value the rest gets.
    level: of FLAIR less half of T2, below which a voxel is fluid.
    apart: how far below the median of all that `becomes` marks that has to be; half as far again where T1Gd counts, too
        (`dark_level`). 0 for no such look.
    dark_level: of that and T1Gd on the same scale together, below which it is fluid, too; 0 for no such look.
    darker: a part whose median of that sum is less than this share of the median of all that `becomes` marks is fluid
        where it is darker than halfway between the two; 0 for no such look.
    sure: mean probability of the label from which on a part is looked at so.
    covered: share of the surface that a rim must cover to count.
    least_ml: fluid of less than this volume in one piece counts as the rest.
    thinner_mm: parts of a rim thinner than this do not count; 0 for all of it.
    """

    label: int
    rim: tuple[int, ...]
    cavity: int
    becomes: int
    level: float = 0.4
    covered: float = 0.3
    least_ml: float = 0.1
    thinner_mm: float = 0.0
    dark_level: float = 0.0
    darker: float = 0.0
    sure: float = 0.8
    apart: float = 0.0


@dataclass(frozen=True, slots=True)
class Lining:
    """A thin line of enhancement along a cavity, in a brain that was operated on.

    It is what surgery leaves, no tumour: after treatment enhancing tumour is thick or nodular (de Verdier et al., arXiv
    2405.18368). In the two UCSF-ALPTDG masks with ET at a cavity the rule would take 0.01 of 0.85 and 0.03 of 0.30 mL.

    Attributes
    ----------
    label: value of the enhancement.
    cavity: value of what it lines.
    becomes: value its voxels get.
    thinner_mm: what a ball of this diameter does not fit into counts as thin, but within that distance of what it fits
        into.
    within_mm: how far from the cavity.
    """

    label: int
    cavity: int
    becomes: int
    thinner_mm: float = 2.0
    within_mm: float = 3.0


@dataclass(frozen=True, slots=True)
class Outline:
    """How far a bright label reaches into its neighbours.

    Readers count a voxel that enhances in part as enhancing. In the expert masks of BraTS2021_00006, 01476 and 01482
    the first voxel outside ET has 0.03 to 0.35 of the rim's brightness above its surroundings (medians by case and
    neighbour), the last one inside 0.26 to 0.61; a network's outline lies further in, on thin rims most of all.

    Attributes
    ----------
    label: value whose outline is moved.
    sequence: the brightness of which sequence tells; without that sequence nothing is done.
    into: values whose voxels it may take.
    level: share of the label's brightness above a neighbouring tissue's from which a voxel belongs to the label; its
        brightness is the mean nearby or its median in the whole mask, whichever is the higher. What is as bright as
        19 of 20 voxels of the tissue around is left to the tissue.
    reach_mm: how far the outline moves at most; it is never drawn in.
    """

    label: int
    sequence: SequenceRole
    into: tuple[int, ...]
    level: float = 0.25
    reach_mm: float = 1.5


@dataclass(frozen=True, slots=True)
class Extent:
    """How far oedema reaches around what a network marks of it: to nearly half of its brightness.

    Oedema and infiltrating tumour fade out, and readers outline them generously; a network that is trained on painted
    tumours marks what it is sure of. Of two faint tumours of the four real development cases it marked 0.52 and 0.61,
    and what it missed had a probability of 0.01 to 0.03 (medians): brightness tells more about it. On four cases and
    three sets of weights, two of which had seen painted tumours alone, every level from 0.35 to 0.6 made the mean Dice
    of the whole tumour larger, and so did every reach from 6 to 14 mm and width from 3 to 6 mm
    (benchmarks/measured/models.md).

    Attributes
    ----------
    label: value that is extended, into background alone.
    sequence: the brightness of which sequence tells; without that sequence nothing is done.
    level: share of the label's brightness above that of the brain without a label (the median) from which a voxel
        belongs to it, all after a blur of 1 mm.
    quantile: of the label's voxels, the one whose brightness is taken for the label's: where a mask takes in some
        brain, its median is too dark.
    within_mm: how far from the label.
    brighter: share of the brain without a label that such a voxel is brighter than at least.
    narrow_mm: what is narrower, such as cortex and what links the label to other bright tissue, is not taken.
    least_ml: of less of the label nothing is known.
    """

    label: int
    sequence: SequenceRole
    level: float = 0.45
    quantile: float = 0.75
    within_mm: float = 10.0
    brighter: float = 0.85
    narrow_mm: float = 4.0
    least_ml: float = 1.0


@dataclass(frozen=True, slots=True)
class LeastCore:
    """How much of a tumour without enhancement, in a brain that was not operated on, is core at least.

    A glioma that does not enhance is no mere oedema: its core looks like what surrounds it, and a network that learnt
    to tell them apart by brightness calls most of it SNFH. Of 58 painted low-grade tumours that no training drew, the
    rule changed 35: Dice of the core 0.39 to 0.61, better in 26, worse in six (of 20 painted after it was made it
    changed 11: 0.39 to 0.55, better in seven, worse in two); of the one real development case without enhancement 0.01
    to 0.50 (benchmarks/measured/models.md). Where the border between the two lies remains a guess.

    Attributes
    ----------
    label: value of the core.
    taken_from: value whose voxels it gets.
    without: values of which the mask has none: enhancement, and a cavity, which says that there was a surgery.
    shown_by: the sequence that would show enhancement; without it nothing is done.
    bright_on: sequences on which core is brighter; those that are there count alike.
    share: of the largest lesion's volume that is core at least.
    least_ml: a smaller lesion is left as it is.
    """

    label: int
    taken_from: int
    without: tuple[int, ...]
    shown_by: SequenceRole
    bright_on: tuple[SequenceRole, ...]
    share: float = 0.5
    least_ml: float = 3.0


@dataclass(frozen=True, slots=True)
class PostProcessing:
    """What is done to a model's mask after the network; it can be switched off as a whole.

    Attributes
    ----------
    min_component_ml: islands of tissue below this volume are left out; 0 keeps all. The default, 0.1 mL, is a cube of
        4.6 mm, a fifth of the smallest measurable lesion (a 10 mm sphere).
    fill_holes_ml: background enclosed in tissue, up to this volume per hole, becomes its most probable tissue.
    too_small: labels that are taken for others where there is little of them, in this order.
    mirrored: what is left out as normal anatomy, in this order.
    doubtful: islands that are left out after that; None for none.
    paired: what is left out as normal anatomy by its brightness on the other side, before the volumes of `too_small`
        are counted and once more after the linings, in this order.
    unenclosed: what becomes cavity or another label without a rim where the patient was operated on, in this order.
    outside: what becomes another label outside a rim, in this order.
    enclosed: what becomes another label where a rim encloses it, in this order, after that.
    linings: thin lines along a cavity that become another label where the patient was operated on, in this order,
        after the volumes of `too_small` are counted.
    outlines: labels whose outline is moved outward by brightness, after that.
    extents: labels that are extended by brightness, in this order, after that.
    least_cores: how much core a tumour has at least where the patient was not operated on, last of all.
    likelier: labels to which background is given where the patient was operated on, first of all.
    """

    min_component_ml: float = 0.1
    fill_holes_ml: float = 0.0
    too_small: tuple[TooSmall, ...] = ()
    mirrored: tuple[Mirrored, ...] = ()
    outside: tuple[Outside, ...] = ()
    enclosed: tuple[Enclosed, ...] = ()
    outlines: tuple[Outline, ...] = ()
    doubtful: Doubtful | None = None
    unenclosed: tuple[Unenclosed, ...] = ()
    linings: tuple[Lining, ...] = ()
    extents: tuple[Extent, ...] = ()
    paired: tuple[Paired, ...] = ()
    least_cores: tuple[LeastCore, ...] = ()
    likelier: tuple[Likelier, ...] = ()


#: For the program's glioma labels (1 NETC, 2 SNFH, 3 ET, 4 RC): islands and holes below 0.1 mL, nnU-Net's 0.2 mL of ET,
#: half of that after surgery, a cavity of less than a sphere of 12 mm with nothing else, specks of cavity, SNFH or
#: cavities on both sides alike, doubtful islands, core without a rim and ET that lines a cavity after surgery, core
#: outside a rim, SNFH within the core, thin ET and cavities that the other side shows as well, ET's outline, SNFH's
#: extent, core in what does not enhance, cavities that are likelier after surgery.
GLIOMA_POST_PROCESSING = PostProcessing(
    0.1,
    0.1,
    (
        TooSmall(label=3, below_ml=0.2, becomes=1, operated=False),
        TooSmall(label=3, below_ml=0.1, becomes=2, operated=True),
        TooSmall(label=4, below_ml=1.0, becomes=0, alone=True),
        TooSmall(label=4, below_ml=0.1, becomes=2),
    ),
    mirrored=(Mirrored(label=4, alone=True), Mirrored(label=2, also=(4,))),
    outside=(Outside(label=1, rim=(3,), becomes=2),),
    enclosed=(Enclosed(label=2, rim=(1, 3), becomes=1),),
    outlines=(Outline(label=3, sequence=SequenceRole.T1GD, into=(1, 2)),),
    doubtful=Doubtful(),
    paired=(
        Paired(label=3, as_bright=(SequenceRole.T1GD,), thinner_mm=4.0, bordering=0.25),
        Paired(4, alike=(SequenceRole.T2, SequenceRole.FLAIR), slack=0.5, within_mm=2.0, around_mm=4.0),
    ),
    unenclosed=(
        Unenclosed(label=1, rim=(3,), cavity=4, becomes=2, thinner_mm=2.0, dark_level=1.05, darker=0.85, apart=0.6),
    ),
    linings=(Lining(label=3, cavity=4, becomes=2),),
    extents=(Extent(label=2, sequence=SequenceRole.FLAIR),),
    least_cores=(LeastCore(1, 2, (3, 4), SequenceRole.T1GD, (SequenceRole.FLAIR, SequenceRole.T2)),),
    likelier=(Likelier(label=4),),
)
