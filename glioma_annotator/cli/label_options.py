"""How the values of mask files are to be read."""

from __future__ import annotations

from typing import Any

from glioma_annotator.imaging.label_conventions import LabelConvention

#: Of `add_argument`.
LABELS_OPTION: dict[str, Any] = {
    "default": LabelConvention.AUTO.value,
    "choices": [convention.value for convention in LabelConvention],
    "help": "program: 1 NETC, 2 SNFH, 3 ET, 4 RC; brats2021: 1 NCR, 2 ED, 4 ET; auto: program for the program's own"
    " masks and where a 3 occurs, brats2021 where 1 and 4 but no 3 do; a 4 with neither is read as the other masks are,"
    " as a cavity after a resection, else as brats2021",
}
