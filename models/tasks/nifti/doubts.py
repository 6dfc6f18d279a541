"""What makes scans doubtful though each can be used: said in a run's cautions, with their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.tasks.alike import repeated, visible
from models.tasks.cohort import Subject
from models.tasks.nifti.scans import Scan

_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """What was found in a scan's files.

    `image`, `labels`: digests of their voxels as they are used, however they were stored.
    `is_doubtful`: as a Header's. `blanks`: voxels of the image that held no finite number.
    """

    scan: Scan
    image: bytes
    labels: bytes
    is_doubtful: bool
    blanks: int


def doubts(source: Path, findings: Sequence[Finding]) -> list[str]:
    """A line for each kind of doubt, with the subjects; none where there is nothing to say."""
    same = _pairs(findings, [one.image for one in findings])
    scans = [(one.scan, other.scan) for one, other in same]
    labels = _pairs(findings, [one.labels for one in findings])
    said = {
        "{} there under another name for another purpose, so scores may be too good": [
            f"{_named(other)} ({other.split}) is {_named(one)} ({one.split})"
            for one, other in scans
            if one.split != other.split
        ],
        "{} there twice, under two names": [
            f"{_named(other)} is {_named(one)}" for one, other in scans if one.split == other.split
        ],
        "{} labelled as another image is, voxel for voxel": [
            f"{_named(other.scan)} as {_named(one.scan)}"
            for one, other in labels
            if one.image != other.image
        ],
        "{} placed by the sform, which the qform or the voxel sizes (pixdim) contradict": [
            _named(one.scan) for one in findings if one.is_doubtful
        ],
        "{} without finite numbers in places, which are taken for background": [
            f"{_named(one.scan)} ({one.blanks:,} voxels)" for one in findings if one.blanks
        ],
    }
    return [f"{source}: {_line(text, names)}" for text, names in said.items() if names]


def unseen(source: Path, subjects: Sequence[Subject], structures: Sequence[str]) -> list[str]:
    """A line for structures that no subject has, and one for those that nobody trains on."""
    has = [set(np.flatnonzero(np.bincount(one.labels.ravel())).tolist()) for one in subjects]
    known = set[int]().union(*has)
    trained_on = set[int]().union(
        *(own for own, one in zip(has, subjects, strict=True) if not one.held_out)
    )
    numbered = list(enumerate(structures, start=1))
    said = {
        "no scan's slices hold": [name for number, name in numbered if number not in known],
        "no scan to train on holds": [
            name for number, name in numbered if number in known - trained_on
        ],
    }
    return [f"{source}: {text} {_some(names)}" for text, names in said.items() if names]


def _pairs(findings: Sequence[Finding], digests: Sequence[bytes]) -> list[tuple[Finding, Finding]]:
    return [(findings[one], findings[other]) for one, other in repeated(digests)]


def _line(text: str, names: Sequence[str]) -> str:
    number = "one scan is" if len(names) == 1 else f"{len(names)} scans are"
    return f"{text.format(number)}: {_some(names)}"


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])


def _named(scan: Scan) -> str:
    return visible(scan.subject)
