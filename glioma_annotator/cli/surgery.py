"""Options that say whether the patients of loose files were operated on."""

from __future__ import annotations

import argparse


def add_surgery_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add `--pre-operative` and `--post-operative`, of which one at most can be given."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--pre-operative", action="store_true", help="loose files of scans before any surgery: look for no cavity"
    )
    when.add_argument(
        "--post-operative",
        action="store_true",
        help="loose files of scans after a resection: core without an enhancing rim is cavity or oedema",
    )


def operated(args: argparse.Namespace) -> bool | None:
    """What the options say: True after a resection, False before any surgery, None where they say nothing."""
    return False if args.pre_operative else True if args.post_operative else None
