"""How the values of mask files are to be read."""

from __future__ import annotations

from typing import Any

from glioma_annotator.imaging.label_conventions import LabelConvention

#: Of `add_argument`.
LABELS_OPTION: dict[str, Any] = {
    "default": LabelConvention.AUTO.value,
    "choices": [convention.value for convention in LabelConvention],
    "help": "program: 1 NETC, 2 SNFH, 3 ET, 4 RC; brats2021: 1 NCR, 2 ED, 4 ET; auto: program for all where one of them"
    " is the program's own or holds a 3, and after a resection; else a 4 is ET",
}
