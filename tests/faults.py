"""The faults that the project handles, and the tests that prove it.

    python -m tests.faults      writes docs/faults.md for people and tests/faults.json for machines

A test is marked with the rows that it proves: `@pytest.mark.fault(row, ...)`. The tests are found by parsing their
files, so the project is not imported.
"""

import ast
import json
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "faults.md"
PROOFS = TESTS / "faults.json"
RESULTS = TESTS.parent / "benchmarks" / "results"

INTRODUCTION = """\
# What happens when something goes wrong

Every script prints one line that says what is wrong, where, and what to do; `--debug` shows the traceback.
No existing file is lost. [runs.md](runs.md#exit-codes) explains the exit codes.

Each row has at least one test, except for faults that are not handled yet.
[tests/faults.json](../tests/faults.json) lists the tests. `python -m tests.faults` writes both files."""

# number: (the fault, what the project does)
GROUPS: dict[str, dict[int, tuple[str, str]]] = {
    "Images": {
        1: ("A file with the name of an image is empty, truncated, or not an image",
            "It is skipped; its name and the number of such files are reported. `predict.py` prints a row with the "
            "reason, and exits with 3 if it could not read any file."),
        2: ("An image contains extra or altered bytes",
            "Nothing crashes. If the file can be decoded, it is used."),
        3: ("A PNG, BMP, WebP or GIF file is called .jpg",
            "The format is taken from the content, not from the name."),
        4: ("An image is grey, CMYK or transparent, or has a palette, 12 or 16 bits, floats or a colour profile",
            "It is converted to 8-bit sRGB (H, W, 3), transparent pixels on white. Values of more than 8 bits are "
            "scaled from the range that the file states; `datasets.check` lists files that state none."),
        5: ("An image is animated", "Every script uses the first frame."),
        6: ("A photograph has an EXIF orientation", "Every script turns it upright."),
        7: ("A small file would decode to a huge image", "It is refused before its pixels take memory."),
        8: ("The folder contains empty folders, or files left by file managers or notebooks",
            "They are ignored and never become classes. Empty folders are listed."),
        9: ("The folder does not exist, has no images or only one class, or a file name contains no label",
            "Exit 3. The message lists what was found."),
        10: ("A test set has other classes than the run",
             "Classes are matched by name. If that is impossible: exit 4, with both lists."),
        11: ("A file cannot be opened, a link is broken or forms a loop, or a name contains control characters",
             "The file is skipped, and its escaped name is reported. Listing always terminates."),
        12: ("Images change after they were cached, or the cache is damaged", "The cache is rebuilt."),
        13: ("The training set and the test set share images", "A warning says how many."),
    },
    "Archives and formats": {
        14: ("An archive, downloaded or your own copy, is truncated or differs from the published one",
             "Exit 3 before anything is unpacked, with what was expected and what was found."),
        15: ("A download is cut off, stalls, is extremely slow, or is killed",
             "After a cut or a stall, it resumes where it stopped, a few times; an extremely slow one is given up. "
             "A file gets its final name only when it is complete, and the next attempt resumes."),
        16: ("An archive contains `..`, absolute paths, links, devices or a decompression bomb",
             "Exit 3, or the entry is skipped. Nothing is written outside the folder, and memory does not "
             "fill up."),
        17: ("A pickle or a NumPy file would run code", "The file is refused, and the code does not run."),
        18: ("An IDX or CIFAR file has a wrong format, size, label or count", "Exit 3, before it takes memory."),
    },
    "Command line and configuration": {
        19: ("An option has an impossible value",
             "Exit 2 with the name of the option, before TensorFlow is imported."),
        20: ("A model, a data set or an option does not exist", "Exit 2, with a suggestion."),
        21: ("The run directory is a file or is not writable", "Exit 6 at the start."),
        22: ("A new run is started in a directory that is in use",
             "Exit 7, with the advice to resume that run or choose another directory. A run that ended before its "
             "first checkpoint is replaced if its directory contains nothing else."),
        23: ("A run is resumed with a different model, size, option or data set", "Exit 4, with the differences."),
        24: ("A checkpoint lacks a variable, or has an extra one or one with another shape",
             "Exit 4, with the name of the variable."),
        25: ("A run without a checkpoint is tested", "Exit 4; random weights are never tested."),
        26: ("A run directory was moved", "It works."),
    },
    "Crashes and storage": {
        27: ("The process is killed (kill -9) at a random moment",
             "The resumed run ends bit for bit like an uninterrupted one."),
        28: ("The process is killed during a save",
             "Either the old or the new checkpoint remains, never a mixture."),
        29: ("A checkpoint is truncated, incomplete or has flipped bits",
             "A warning names it, and the newest undamaged one is used. A resumed run repeats the lost updates "
             "exactly. If only the best weights are damaged, testing and prediction use the newest ones and name "
             "their epoch; publishing is refused, because the scores belong to other weights."),
        30: ("The file that points to the newest checkpoint is empty, damaged or lost",
             "There is no such file; the folders of the checkpoints are listed instead. A run that has lost all of "
             "them is not silently restarted."),
        31: ("Every checkpoint is damaged", "Exit 4, with a list of those that were tried. Nothing is changed."),
        32: ("A killed process has left half-written files", "The next run removes them while it holds the lock."),
        33: ("The disk fills up while a checkpoint or the log is written",
             "Exit 6. Earlier checkpoints are unchanged; the checkpoint is written before the log."),
        34: ("The process crashes between saving the last and the best weights",
             "Both are saved as a unit. Both can be loaded, and the best ones match the recorded score."),
        35: ("Memory runs out", "Exit 6, with the advice to use a smaller batch."),
    },
    "Several processes, signals": {
        36: ("Two processes train in the same directory",
             "The second one exits with 7 and names the first. A lock ends with its process."),
        37: ("A run is tested while it is being trained", "The test uses one complete checkpoint."),
        38: ("Ctrl-C, SIGTERM or a closed terminal interrupts an update or a save, perhaps a second time",
             "The state is saved at the next boundary between updates, the exit code is 130, 143 or 129, and the "
             "run resumes exactly. A second signal ends the process at once, without damage."),
    },
    "Numbers": {
        39: ("The loss or a variable becomes NaN or Inf",
             "Exit 5, with the number of the update and the variable. No checkpoint with such values is saved."),
        40: ("A validation score is NaN",
             "It never counts as the best one, and the epoch counts towards patience."),
    },
    "Several workers": {
        41: ("A worker is killed, is missing, hangs or trains something else, or a port is in use",
             "Exit 8 within a time limit, with the address. The last checkpoint is intact."),
    },
    "Untrusted input": {
        42: ("A checkpoint or run directory from a stranger contains a graph, `..`, or huge or invalid JSON",
             "Exit 4. Nothing in it is imported or executed, and nothing outside it is read."),
    },
    "Found in use": {
        43: ("The path of a run or of data contains brackets, `*?{}%#`, backslashes, quotes, spaces, a newline, "
             "letters of other alphabets or undecodable bytes, or has 200 characters", "Every script accepts it."),
        44: ("Labels are -1, start at 1, form a column, are floats, or exceed the last class",
             "Unambiguous labels are converted. All others are refused when the data set is created, with the "
             "first bad label."),
        45: ("Float pixels are outside [0, 1] or NaN, or training and validation images have different types",
             "Bad pixels are refused when the data set is created, with advice on how to correct them, not later "
             "with the advice to lower the learning rate. Bytes and floats in [0, 1] may be mixed."),
        46: ("A terminal, pipe or log cannot encode a name, closes, or blocks",
             "Names are escaped, and all files are written. Exit 6 if output was lost because the disk is full."),
        47: ("All files of a class are unreadable, missing or not images, or a name occurs in two Unicode forms "
             "or in upper and lower case",
             "Exit 3, with the class and what was found; only a warning if the class is merely tested or was not "
             "sampled. There are also warnings about empty folders, folders of metadata, skipped files that may be "
             "images, and names that differ only in case. Unicode forms of the same name match."),
        48: ("A metric cannot be computed on the validation set",
             "Exit 2 before training, with the missing class. If the evaluator cannot tell, there is a warning "
             "at the first NaN."),
        49: ("A run is resumed with other kernels, another processor, thread count or version",
             "It resumes, with a warning that results may differ in the last bits."),
        50: ("HOME is not set, the user has no entry in the password file, or the home directory is read-only",
             "Decoded images are stored in a private folder that is deleted when the process ends. A warning names "
             "the folder and the option to change it."),
        51: ("Weights were restored before training",
             "Training starts from them, with a warning. `fresh=True` starts from the initial weights."),
        52: ("A weight file is damaged or hostile, contains NaN or Inf, or belongs to another network",
             "Exit 4, with the first differences. No code in it runs, memory is limited in proportion to its size, "
             "and weights are loaded completely or not at all."),
        53: ("An export would not give the answers of `predict.py`, because of another mean, another order of "
             "classes or another decoding of images",
             "Exit 9, with the first image or class that differs. No part of it is kept."),
    },
}  # fmt: skip

# Rows that are not handled yet, with the reason.
TODO: dict[int, str] = {}


def rows() -> dict[int, tuple[str, str]]:
    """Return every row by its number."""
    return {number: row for group in GROUPS.values() for number, row in group.items()}


def proofs(folder: Path = TESTS) -> dict[int, list[str]]:
    """Return the tests of each row as path::name."""
    found: dict[int, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in _marked(node):
                    test = f"{path.relative_to(folder).as_posix()}::{node.name}"
                    found.setdefault(number, []).append(test)
    return {number: sorted(names) for number, names in sorted(found.items())}


def _marked(function: ast.FunctionDef) -> list[int]:
    """Return the rows in the `pytest.mark.fault` of a test."""
    calls = [node for node in function.decorator_list if isinstance(node, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.fault"]
    return [ast.literal_eval(argument) for mark in marks for argument in mark.args]


def page(results: Path = RESULTS) -> str:
    """Return the text of docs/faults.md.

    :param results: the folder with the results of the long runs.
    """
    lines = [INTRODUCTION]
    for title, group in GROUPS.items():
        lines += ["", f"## {title}", "", "| # | what goes wrong | what happens |", "| --- | --- | --- |"]
        for number, (fault, behaviour) in group.items():
            missing = f" ({TODO[number]})" if number in TODO else ""
            lines.append(f"| {number} | {fault} | {behaviour}{missing} |")
    return "\n".join([*lines, "", "## Long runs", "", *long_runs(results), ""])


def long_runs(results: Path) -> list[str]:
    """Return the results of the programs that take too long for the tests, one line per figure."""
    lines = []
    for command, name, told in (
        ("python -m tests.soak FOLDER", "soak.json", _soak_lines),
        ("python -m tests.bad_tree IMAGES_DIR FOLDER", "bad-tree.json", _bad_tree_lines),
        ("python -m tests.worker_equality FOLDER", "worker-equality.json", _equality_lines),
        (
            "python -m tests.worker_faults FOLDER --kills 8 --workers 3",
            "worker-faults.json",
            _worker_lines,
        ),
    ):
        path = results / name
        found = told(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ["not run yet"]
        lines += [f"- `{command}`:", *(f"  - {line}" for line in found)]
    return lines


def _soak_lines(figures: dict[str, Any]) -> list[str]:
    """Describe the phases of the soak test that were run."""
    lines = []
    for key, title in (("kills", "kill -9 at random moments"), ("load", "the same on a busy machine")):
        if key in figures:
            phase = figures[key]
            lines.append(
                f"{title}: {phase['kills']} kills in {phase['runs']} runs; {phase['different']} runs differed "
                f"from the uninterrupted run in any bit ({phase['seconds'] / 60:.0f} minutes)"
            )
    if "full_disk" in figures:
        phase = figures["full_disk"]
        lines.append(
            f"a full disk ({phase['way']}), {phase['cycles']} times: {phase['damaged']} damaged checkpoints; "
            f"{phase['different']} runs ended differently"
        )
    return lines


def _bad_tree_lines(figures: dict[str, Any]) -> list[str]:
    """Describe the planted files, and what each script reported."""
    lines = [
        f"{figures['images']} photographs, {figures['odd']} of them in unusual formats or with unusual names, and "
        f"{figures['bad']} unreadable files of {figures['kinds']} kinds"
    ]
    if figures["left_out"]:
        lines.append(f"kinds that could not be created on this machine: {', '.join(figures['left_out'])}")
    for step in ("check", "train", "test", "predict"):
        found = figures[step]
        bad, readable = figures["bad"], len(found["too_many"])
        named = bad - len(found["missing"])
        lines.append(f"{step}: reported {named} of {bad} unreadable files, and {readable} readable ones")
    return lines


def _equality_lines(trainings: list[dict[str, Any]]) -> list[str]:
    """Describe how much several workers differ from one process, network by network."""
    lines = []
    for net in dict.fromkeys(found["net"] for found in trainings):
        of_net = [found for found in trainings if found["net"] == net]
        workers = ", ".join(f"{found['workers']}" for found in of_net)
        updates = min(found["updates"] for found in of_net)
        losses, variables, among = (
            max(found[key] for found in of_net) for key in ("losses", "variables", "among_workers")
        )
        lines.append(
            f"{workers} workers compared with one process, a net {net}, after {updates} updates: losses differ by "
            f"at most {losses:.1g}, weights by {variables:.1g}; among workers, weights differ by {among:g}"
        )
    return lines


def _worker_lines(figures: dict[str, Any]) -> list[str]:
    """Describe what the workers ended with in each scenario, and the kills."""
    kills = figures["kills"]
    played = {name: found for name, found in figures.items() if name != "kills"}
    codes = [
        f"{name} ({'left out' if 'left out' in found else ', '.join(map(str, found['codes']))})"
        for name, found in played.items()
    ]
    end = "with the same bits as" if kills["equal"] else "unlike"
    return [
        f"two workers, and their exit codes (-9: killed): {', '.join(codes)}",
        f"{kills['kills']} kills of one of {len(kills['ended'][0])} workers at random moments: in "
        f"{len(kills['wrong'])} cases the others ended with another code than 8; the run ended {end} the "
        "uninterrupted one",
    ]


def main() -> None:
    """Write the page and the list of tests."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    PROOFS.write_text(proofs_text(), encoding="utf-8")
    untested = sorted(rows().keys() - proofs().keys()) or "none"
    print(f"written: {PAGE}, {PROOFS}; rows without a test: {untested}")


def proofs_text() -> str:
    """Return the text of tests/faults.json: the tests of each row."""
    return json.dumps(proofs(), indent=1) + "\n"


if __name__ == "__main__":
    main()
