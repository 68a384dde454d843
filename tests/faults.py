"""The faults that the project is made for, and the tests that prove it.

    python -m tests.faults      writes docs/faults.md

A test carries `@pytest.mark.fault(row, ...)` for the rows that it proves. The tests are found by parsing their
files, so nothing of the project is imported.
"""

import ast
import json
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "faults.md"
RESULTS = TESTS.parent / "benchmarks" / "results"

# number: (what happens, what the project does then)
GROUPS: dict[str, dict[int, tuple[str, str]]] = {
    "Images": {
        1: ("an image file is empty, cut off, or something else under that name",
            "it is left out, named and counted; `predict.py` gives it a row with the reason, and exit 3 "
            "where nothing could be read"),
        2: ("an image has bytes too many before its end, or flipped ones",
            "no crash; what decodes counts as an image"),
        3: ("PNG, BMP, WebP or GIF data under the name .jpg", "the content decides, not the name"),
        4: ("grey, CMYK, palette, transparent, 12- and 16-bit and float images, colour profiles",
            "all become 8-bit sRGB (H, W, 3); what is transparent lies on white, more than 8 bits are scaled by "
            "what the file says of its range, and named by `datasets.check` where it does not say"),
        5: ("an animation", "its first frame, everywhere"),
        6: ("a photograph turned by its EXIF entry", "it is upright in every script"),
        7: ("a small file that decodes to a huge image", "it is refused before memory is taken"),
        8: ("files of file managers and notebooks, empty folders", "they are passed over and never become a class; "
            "an empty folder is named"),
        9: ("no images, a single class, a missing folder, a name without a label",
            "exit 3; the message lists what was found"),
        10: ("the classes of a test set are not those of the run",
             "they are matched by name; where that is impossible, exit 4 with both lists"),
        11: ("an unreadable file, a dangling link, a loop of links, odd characters in a name",
             "it is left out and named, escaped; listing ends"),
        12: ("the images change after they were cached, or the cache is damaged", "the cache is built again"),
        13: ("the same image in training and test", "a warning with the number"),
    },
    "Archives and formats": {
        14: ("an archive is cut off or is not the published one, also one that the user brought",
             "exit 3 with what was expected and found, before anything is unpacked"),
        15: ("a download is cut, stalls, drips or is killed",
             "a cut or stalled one is tried again a few times, from where it was, a dripping one given up; nothing "
             "lies under the final name before it is whole, and the next try goes on"),
        16: ("an archive with `..`, absolute paths, links, devices or a bomb",
             "exit 3 or passed over; nothing is written outside, no memory taken"),
        17: ("a pickle or a NumPy file that would run code", "it is refused and does not run"),
        18: ("IDX or CIFAR files of a wrong form, size, label or number", "exit 3 before memory is taken"),
    },
    "Command line and configuration": {
        19: ("an option with an impossible value", "exit 2, the option named, before TensorFlow is imported"),
        20: ("an unknown model, data set or option", "exit 2 with a suggestion"),
        21: ("the run directory is a file, or cannot be written", "exit 6 at the start"),
        22: ("a fresh run into a directory that is used",
             "exit 7; resume, or choose another. A run that ended before its first checkpoint, with nothing else "
             "beside it, makes way for the new one"),
        23: ("a resume with another model, size, option or other data", "exit 4 with the differences"),
        24: ("a checkpoint in which a variable is missing, too many, or of another shape", "exit 4; it is named"),
        25: ("testing a run without a checkpoint", "exit 4; never random weights"),
        26: ("a run directory that was moved", "it works"),
    },
    "Crashes and storage": {
        27: ("kill -9 at random moments", "the resumed run ends in the bits of the uninterrupted one"),
        28: ("kill -9 at any step of a save", "the old state or the new one, never a mix"),
        29: ("a checkpoint is cut, flipped or incomplete",
             "a warning names it, and the newest whole one is used; a resume repeats what was lost, to the same "
             "bits. Where only the best weights are damaged, testing and predicting use the newest and say of "
             "which epoch they are; publishing refuses, for the scores are those of others"),
        30: ("a pointer file to the newest checkpoint is empty, garbage or lost",
             "there is none: the folders are looked at; a run that lost all of them is not started again silently"),
        31: ("every checkpoint is damaged", "exit 4 with all that were tried; nothing is changed"),
        32: ("files half written when the process was killed", "removed by the next run, under the lock"),
        33: ("the disk is full during a save, or under the log",
             "exit 6; earlier checkpoints are as they were, and the checkpoint comes before the log"),
        34: ("a crash between the last and the best",
             "they are one unit; both load, and the best is what was recorded"),
        35: ("out of memory", "exit 6, and the advice of a smaller batch"),
    },
    "Several processes, signals": {
        36: ("two processes train in one directory",
             "exit 7 for the second, which names the first; a lock ends with its process"),
        37: ("testing while training goes on", "one whole checkpoint is used"),
        38: ("Ctrl-C, SIGTERM or a closed terminal during an update or a save; a second one",
             "saved at the next boundary, exit 130, 143 or 129, resume exact; the second leaves at once and breaks "
             "nothing"),
    },
    "Numbers": {
        39: ("NaN or Inf in the loss or a variable", "exit 5 names update and variable; no such checkpoint"),
        40: ("a validation score that is NaN", "it is never the best; patience counts"),
    },
    "Several machines": {
        41: ("a worker is killed or absent, a port is busy", "exit 8 in time, with the address"),
    },
    "Untrusted input": {
        42: ("a checkpoint or run directory of a stranger: graphs to import, `..`, huge or impossible JSON",
             "exit 4; nothing of it is imported, run, waited for or read outside"),
    },
    "Found in use": {
        43: ("a run or data path with brackets, `*?{}%#`, backslashes, quotes, spaces, a newline, other alphabets, "
             "bytes that are no text, or 200 characters", "every script works on it"),
        44: ("labels of -1, from 1, as a column, as floats; a class number beyond the last class",
             "what can be meant is converted, the rest refused where the set is made; the first bad one is named"),
        45: ("float pixels outside [0, 1]; NaN pixels; training and validation sets of different kinds",
             "refused where the set is made, with what to write; bytes and floats in [0, 1] may be mixed; never "
             "the advice to lower the rate"),
        46: ("a terminal, pipe or log that cannot encode a name, closes, or blocks",
             "names are escaped and the files are written all the same; exit 6 where a full disk took the output"),
        47: ("a class whose files are all unreadable, of another kind or missing; one name in two Unicode forms or "
             "cases", "exit 3 with the class and what was found; a warning where the class is only tested or a "
             "sample, and for empty folders, folders of metadata, files left out that may be images and names that "
             "differ in case; forms of one name match between parts and sets"),
        48: ("a metric that cannot be computed on the validation set",
             "exit 2 before training, with the class that is missing; where the evaluator cannot tell, a warning "
             "at the first NaN"),
        49: ("a resume with other kernels, another processor, thread count or version",
             "allowed, with a warning that the bits may differ"),
        50: ("no HOME, no entry in the password file, a read-only home",
             "decoded images go to a private folder that ends with the process; a warning names it and the option"),
        51: ("weights that were restored before training",
             "they are trained on, and a warning says so; `fresh=True` starts from initial ones"),
    },
}  # fmt: skip

# What is not there yet, or not wholly.
TODO: dict[int, str] = {
    41: "waits for training on several machines",
}


def rows() -> dict[int, tuple[str, str]]:
    """Every row by its number."""
    return {number: row for group in GROUPS.values() for number, row in group.items()}


def proofs(folder: Path = TESTS) -> dict[int, list[str]]:
    """The tests by row, as file::name."""
    found: dict[int, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in _marked(node):
                    found.setdefault(number, []).append(f"{path.name}::{node.name}")
    return {number: sorted(names) for number, names in found.items()}


def _marked(function: ast.FunctionDef) -> list[int]:
    """The rows in the `pytest.mark.fault` of a test."""
    calls = [node for node in function.decorator_list if isinstance(node, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.fault"]
    return [ast.literal_eval(argument) for mark in marks for argument in mark.args]


def page(results: Path = RESULTS) -> str:
    """The whole of docs/faults.md.

    :param results: the folder with what the long runs wrote.
    """
    by_row = proofs()
    lines = [
        "# Faults, what the project does, and the tests that prove it",
        "",
        "Made by `python -m tests.faults` from the marks of the tests; the tests fail when a row has neither one",
        "nor a reason. In every row the scripts print one line that says what is wrong, where, and what to do; a",
        "traceback only with `--debug`. Exit codes: 0 done, 2 usage, 3 data, 4 checkpoint or configuration, 5 NaN",
        "or Inf, 6 storage or memory, 7 directory in use, 129, 130 and 143 stopped by a signal.",
    ]
    for title, group in GROUPS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| # | fault | what happens then | proved by |",
            "| --- | --- | --- | --- |",
        ]
        for number, (fault, behaviour) in group.items():
            tests = "<br>".join(f"`{name}`" for name in by_row.get(number, ()))
            missing = f"({TODO[number]})" if number in TODO else ""
            lines.append(
                f"| {number} | {fault} | {behaviour} | {'<br>'.join(filter(None, (tests, missing)))} |"
            )
    return "\n".join([*lines, "", "## The long runs", "", *long_runs(results), ""])


def long_runs(results: Path) -> list[str]:
    """What the programs found that are too long for the tests: a line for each figure that they left."""
    lines = []
    for command, name, told in (
        ("python -m tests.soak FOLDER", "soak.json", _soak_lines),
        ("python -m tests.bad_tree IMAGES_DIR FOLDER", "bad-tree.json", _bad_tree_lines),
    ):
        path = results / name
        found = told(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ["not run yet"]
        lines += [f"- `{command}`:", *(f"  - {line}" for line in found)]
    return lines


def _soak_lines(figures: dict[str, Any]) -> list[str]:
    """The phases of the soak that were run."""
    lines = []
    for key, title in (("kills", "kill -9 at random moments"), ("load", "the same under load")):
        if key in figures:
            phase = figures[key]
            lines.append(
                f"{title}: {phase['kills']} kills in {phase['runs']} runs, of which {phase['different']} did not "
                f"end in the bits of the run left in peace ({phase['seconds'] / 60:.0f} minutes)"
            )
    if "full_disk" in figures:
        phase = figures["full_disk"]
        lines.append(
            f"a disk ({phase['way']}) that was full {phase['cycles']} times: {phase['damaged']} damaged "
            f"checkpoints, {phase['different']} runs that ended otherwise"
        )
    return lines


def _bad_tree_lines(figures: dict[str, Any]) -> list[str]:
    """What was planted, and what each script made of it."""
    lines = [
        f"{figures['images']} photographs, {figures['odd']} of them in odd forms or under odd names, and "
        f"{figures['bad']} files of {figures['kinds']} kinds that cannot be read"
    ]
    if figures["left_out"]:
        lines.append(f"kinds that the machine could not have: {', '.join(figures['left_out'])}")
    for step in ("check", "train", "test", "predict"):
        found = figures[step]
        named = figures["bad"] - len(found["missing"])
        lines.append(
            f"{step}: named {named} of {figures['bad']}, and {len(found['too_many'])} that can be read"
        )
    return lines


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}; rows without a test: {sorted(rows().keys() - proofs().keys()) or 'none'}")


if __name__ == "__main__":
    main()
