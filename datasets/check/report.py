"""Report the findings of a check as plain values and as lines of text."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from datasets.check.inspection import ODDITIES, UNUSED, Findings, Record
from datasets.errors import escape_name, shortened
from datasets.image_files.folder_names import TEST, TRAIN, VAL, WHOLE
from datasets.image_files.unused_files import suffixes_of
from datasets.images.near_duplicates import SIGNATURE_BYTES, near_groups

_LISTED = 20  # groups of copies in the text; the values have all
_EXAMPLES = 3  # of a warning
_PARTS = (WHOLE, TRAIN, VAL, TEST, UNUSED)
_NO_CLASS = "(no class)"

Report = dict[str, Any]
_Group = list[Record]  # of copies


def report_of(findings: Findings) -> Report:
    """Return the findings as plain values for JSON.

    :return: path; images, the number of readable ones; layout; counts {part: {class: images}}; sizes {"width":
        {"min", "median", "max"}, "height": ...} in pixels, upright; unreadable [{"name", "reason"}]; undecoded
        [name]; others [name], files that are not images; empty_folders [name]; odd {kind: [name]}; duplicates
        [{"files", "parts", "classes"}], groups of the same pixels, first those with several classes, then those
        with several parts; near_duplicates, groups of nearly the same picture, likewise; in_training {part: {name:
        training image}}, the validation and test images that are in such a group with a training image.
    """
    records = findings.records
    equal, near = _equal(records), _near(records)
    return {
        "path": findings.path,
        "images": len(records),
        "layout": findings.layout,
        "counts": _counts(records),
        "sizes": _sizes(records),
        "unreadable": [{"name": name, "reason": reason} for name, reason in findings.unreadable],
        "undecoded": list(findings.undecoded),
        "others": list(findings.others),
        "empty_folders": list(findings.empty_folders),
        "odd": _odd(records),
        "duplicates": _described(equal),
        "near_duplicates": _described(near),
        "in_training": _in_training([*equal, *near]),
    }


def lines_of(report: Report) -> Iterator[str]:
    """Yield the lines of the report."""
    bad, path = len(report["unreadable"]), escape_name(report["path"])
    empty = f"; empty folders: {shortened(report['empty_folders'])}" if report["empty_folders"] else ""
    yield f"{path}: {report['images']} images can be read, {bad} cannot{empty}"
    if report["layout"]:
        yield f"not ready for training: {report['layout']}"
    yield from _count_lines(report["counts"])
    for side, values in report["sizes"].items():
        yield f"{side:<7} {values['min']} / {values['median']:g} / {values['max']} pixels (min / median / max)"
    yield from _section("cannot be read", bad)
    for entry in report["unreadable"]:
        yield f"  '{escape_name(entry['name'])}': {escape_name(entry['reason'])}"
    yield from _section("in formats that are not decoded", len(report["undecoded"]))
    if report["undecoded"]:
        yield f"  {shortened(report['undecoded'])}; convert them to JPEG or PNG"
    yield from _section("not images, and left out", len(report["others"]))
    if report["others"]:
        yield f"  {suffixes_of(report['others'])}: {shortened(report['others'])}"
    yield from _section("unusual, but readable", sum(map(len, report["odd"].values())))
    for kind, names in report["odd"].items():
        yield f"  {len(names):>6} {ODDITIES[kind]} ({shortened(names, 3)})"
    yield from _warning_lines(report["in_training"])
    yield from _group_lines("the same pixels more than once, in groups", report["duplicates"])
    yield from _group_lines("nearly the same picture more than once, in groups", report["near_duplicates"])
    across = [
        group
        for key in ("duplicates", "near_duplicates")
        for group in report[key]
        if len(group["classes"]) > 1
    ]
    if across:
        yield f"warning: groups with several classes: {len(across)}; keep each picture in one class"


def _counts(records: Iterable[Record]) -> dict[str, dict[str, int]]:
    counted = Counter((record.part, record.label or _NO_CLASS) for record in records)
    return {
        part: {label: counted[key, label] for key, label in sorted(counted) if key == part}
        for part in _PARTS
        if any(key == part for key, _ in counted)
    }


def _sizes(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    if not records:
        return {}
    sides = {"width": [record.width for record in records], "height": [record.height for record in records]}
    return {
        side: {"min": min(values), "median": float(np.median(values)), "max": max(values)}
        for side, values in sides.items()
    }


def _odd(records: Sequence[Record]) -> dict[str, list[str]]:
    found = {kind: [record.name for record in records if kind in record.oddities] for kind in ODDITIES}
    return {kind: names for kind, names in found.items() if names}


def _equal(records: Iterable[Record]) -> list[_Group]:
    """Return groups of images with the same upright pixels."""
    groups: dict[bytes, _Group] = defaultdict(list)
    for record in records:
        groups[record.digest].append(record)
    return [group for group in groups.values() if len(group) > 1]


def _near(records: Sequence[Record]) -> list[_Group]:
    """Return groups of images that show nearly the same picture, and do not all have the same pixels."""
    joined = b"".join(record.signature for record in records)
    signatures = np.frombuffer(joined, np.uint8).reshape(len(records), SIGNATURE_BYTES)
    groups = [[records[row] for row in rows] for rows in near_groups(signatures)]
    return [group for group in groups if len({record.digest for record in group}) > 1]


def _described(groups: Iterable[_Group]) -> list[dict[str, list[str]]]:
    """Return the groups as plain values, those of several classes first."""
    found = [
        {
            "files": [record.name for record in group],
            "parts": sorted({record.part for record in group}),
            "classes": sorted({record.label or _NO_CLASS for record in group}),
        }
        for group in groups
    ]
    return sorted(found, key=lambda group: (-len(group["classes"]), -len(group["parts"]), group["files"]))


def _in_training(groups: Iterable[_Group]) -> dict[str, dict[str, str]]:
    """Return the held-out images that are in a group with a training image, and the first such image."""
    found: dict[str, dict[str, str]] = {VAL: {}, TEST: {}}
    for group in groups:
        learned = [record.name for record in group if record.part == TRAIN]
        for record in group:
            if learned and record.part in found:
                found[record.part].setdefault(record.name, learned[0])
    return {part: names for part, names in found.items() if names}


def _count_lines(counts: dict[str, dict[str, int]]) -> Iterator[str]:
    for part, classes in counts.items():
        named = ", ".join(f"{escape_name(label)} {count}" for label, count in classes.items())
        yield f"{part:<7} {sum(classes.values())}: {named}"


def _warning_lines(in_training: dict[str, dict[str, str]]) -> Iterator[str]:
    for part, twins in in_training.items():
        pairs = [f"'{escape_name(name)}' is '{escape_name(twin)}'" for name, twin in twins.items()]
        more = f" and {len(pairs) - _EXAMPLES} more" if len(pairs) > _EXAMPLES else ""
        show = "shows" if len(pairs) == 1 else "show"
        yield (
            f"warning: {len(pairs)} of the {part} images {show} the picture of a training image, so scores are too "
            f"optimistic ({', '.join(pairs[:_EXAMPLES])}{more}); remove them from one of the two"
        )


def _group_lines(title: str, groups: Sequence[dict[str, list[str]]]) -> Iterator[str]:
    yield from _section(title, len(groups))
    for group in groups[:_LISTED]:
        notes = [
            f"in {' and '.join(map(escape_name, group[key]))}"
            for key in ("parts", "classes")
            if len(group[key]) > 1
        ]
        yield f"  {shortened(group['files'])}{': ' * bool(notes)}{', '.join(notes)}"
    if len(groups) > _LISTED:
        yield f"  and {len(groups) - _LISTED} more groups (--json FILE holds all)"


def _section(title: str, count: int) -> Iterator[str]:
    if count:
        yield f"{title}: {count}"
