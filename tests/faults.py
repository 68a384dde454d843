"""The faults that the project handles, and the tests that prove it.

    python -m tests.faults      writes docs/faults.md for people and tests/faults.json for machines

A test carries `@pytest.mark.fault(row, ...)` for the rows that it proves. The tests are found by parsing their
files, so nothing of the project is imported.
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
Nothing that existed is lost. [runs.md](runs.md#exit-codes) explains the exit codes.

Each row has at least one test, except for what is not implemented yet; [tests/faults.json](../tests/faults.json)
lists them. `python -m tests.faults` writes both files."""

# number: (the fault, what the project does)
GROUPS: dict[str, dict[int, tuple[str, str]]] = {
    "Images": {
        1: ("An image file is empty, truncated, or not an image in spite of its name",
            "It is skipped, named and counted. `predict.py` prints a row with the reason, and exits with 3 if no "
            "file could be read."),
        2: ("An image has extra bytes before its end, or flipped ones",
            "Nothing crashes. If the file can be decoded, it counts as an image."),
        3: ("A PNG, BMP, WebP or GIF file is called .jpg", "The content decides the format, not the name."),
        4: ("An image is grey, CMYK, transparent, has a palette, 12 or 16 bits, floats, or a colour profile",
            "It becomes 8-bit sRGB (H, W, 3). Transparent pixels are put on white. More than 8 bits are scaled by "
            "the range that the file states; `datasets.check` names files that state none."),
        5: ("An image is animated", "Every script uses its first frame."),
        6: ("A photograph is rotated by its EXIF entry", "Every script turns it upright."),
        7: ("A small file decodes to a huge image", "It is refused before it takes memory."),
        8: ("The folder contains files of file managers or notebooks, or empty folders",
            "They are ignored and never become a class. Empty folders are named."),
        9: ("There are no images, only one class, no such folder, or a file name without a label",
            "Exit 3. The message lists what was found."),
        10: ("The classes of a test set are not those of the run",
             "Classes are matched by name. If that is impossible: exit 4, with both lists."),
        11: ("A file cannot be opened, a link is broken or forms a loop, or a name has control characters",
             "The file is skipped and named, with its name escaped. Listing always ends."),
        12: ("Images change after they were cached, or the cache is damaged", "The cache is built again."),
        13: ("The training and the test set share images", "A warning says how many."),
    },
    "Archives and formats": {
        14: ("An archive is truncated or is not the published one, even if you brought it yourself",
             "Exit 3, with what was expected and what was found, before anything is unpacked."),
        15: ("A download is cut, stalls, trickles or is killed",
             "After a cut or a stall it continues from where it was, a few times; a trickling one is given up. No "
             "file gets its final name before it is complete, and the next attempt continues."),
        16: ("An archive contains `..`, absolute paths, links, devices or a decompression bomb",
             "Exit 3, or the entry is skipped. Nothing is written outside and no memory is taken."),
        17: ("A pickle or a NumPy file would run code", "It is refused and does not run."),
        18: ("An IDX or CIFAR file has a wrong format, size, label or count", "Exit 3, before it takes memory."),
    },
    "Command line and configuration": {
        19: ("An option has an impossible value", "Exit 2, with its name, before TensorFlow is imported."),
        20: ("A model, a data set or an option does not exist", "Exit 2, with a suggestion."),
        21: ("The run directory is a file or cannot be written", "Exit 6, at the start."),
        22: ("A new run is started in a directory that is in use",
             "Exit 7: resume that run, or choose another directory. A run that ended before its first checkpoint "
             "is replaced if nothing else is in its directory."),
        23: ("A run is resumed with another model, size, option or other data", "Exit 4, with the differences."),
        24: ("A checkpoint lacks a variable, has an extra one, or one of another shape",
             "Exit 4, with its name."),
        25: ("A run without a checkpoint is tested", "Exit 4. Random weights are never tested."),
        26: ("A run directory was moved", "It works."),
    },
    "Crashes and storage": {
        27: ("The process is killed (kill -9) at a random moment",
             "The resumed run ends with the bits of an uninterrupted one."),
        28: ("The process is killed during a save",
             "The old checkpoint or the new one is there, never a mixture."),
        29: ("A checkpoint is truncated, incomplete or has flipped bits",
             "A warning names it, and the newest undamaged one is used. Resuming repeats what was lost, with the "
             "same bits. If only the best weights are damaged, testing and predicting use the newest ones and name "
             "their epoch; publishing is refused, because the scores belong to other weights."),
        30: ("A file that points to the newest checkpoint is empty, damaged or lost",
             "There is no such file: the folders themselves are listed. A run that lost all of them is not "
             "silently started again."),
        31: ("Every checkpoint is damaged", "Exit 4, with all that were tried. Nothing is changed."),
        32: ("A killed process left half-written files", "The next run removes them, under the lock."),
        33: ("The disk becomes full during a save or while the log is written",
             "Exit 6. Earlier checkpoints stay as they were, and the checkpoint is written before the log."),
        34: ("The process crashes between saving the last and the best weights",
             "They are saved as a unit. Both load, and the best ones are those on record."),
        35: ("Memory runs out", "Exit 6, with the advice to use a smaller batch."),
    },
    "Several processes, signals": {
        36: ("Two processes train in one directory",
             "The second exits with 7 and names the first. A lock ends with its process."),
        37: ("A run is tested while it is being trained", "One complete checkpoint is used."),
        38: ("Ctrl-C, SIGTERM or a closed terminal, during an update or a save; and once more",
             "The state is saved at the next boundary, the exit code is 130, 143 or 129, and the run resumes "
             "exactly. A second signal ends the process at once and damages nothing."),
    },
    "Numbers": {
        39: ("The loss or a variable becomes NaN or Inf",
             "Exit 5, with the update and the variable. No such checkpoint is saved."),
        40: ("A validation score is NaN", "It is never the best one, and patience counts the epoch."),
    },
    "Several workers": {
        41: ("A worker is killed, missing, hangs or trains something else, or a port is in use",
             "Exit 8 within a limited time, with the address. The last checkpoint is whole."),
    },
    "Untrusted input": {
        42: ("A checkpoint or run directory from a stranger: graphs to import, `..`, huge or invalid JSON",
             "Exit 4. Nothing in it is imported or run, and nothing outside it is read."),
    },
    "Found in use": {
        43: ("The path of a run or of data has brackets, `*?{}%#`, backslashes, quotes, spaces, a newline, "
             "letters of other alphabets, undecodable bytes, or 200 characters", "Every script works on it."),
        44: ("Labels are -1, start at 1, are a column or floats, or exceed the last class",
             "What is unambiguous is converted. Anything else is refused when the set is created, with the first "
             "bad label."),
        45: ("Float pixels are outside [0, 1] or NaN, or training and validation images have different types",
             "Bad pixels are refused when the set is created, with the way to correct them, not with the advice to "
             "lower the learning rate. Bytes and floats in [0, 1] may be mixed."),
        46: ("A terminal, pipe or log cannot encode a name, closes, or blocks",
             "Names are escaped, and all files are written. Exit 6 if a full disk swallowed the output."),
        47: ("All files of a class are unreadable, missing or not images, or one name comes in two Unicode forms "
             "or cases",
             "Exit 3, with the class and what was found. A warning if the class is only tested or was not sampled, "
             "and for empty folders, folders of metadata, skipped files that may be images, and names that differ "
             "only in case. Unicode forms of one name match."),
        48: ("A metric cannot be computed on the validation set",
             "Exit 2 before training, with the missing class. If the evaluator cannot tell, a warning at the "
             "first NaN."),
        49: ("A run is resumed with other kernels, processor, thread count or version",
             "It resumes, with a warning that the bits may differ."),
        50: ("There is no HOME, no entry in the password file, or the home is read-only",
             "Decoded images go to a private folder that is deleted at the end of the process. A warning names the "
             "folder and the option."),
        51: ("Weights were restored before training",
             "Training starts from them, and a warning says so. `fresh=True` starts from initial weights."),
        52: ("A file of weights is damaged, hostile, not finite or of another network",
             "Exit 4, with the first differences. No code in it runs, it takes no more memory than its size "
             "allows, and nothing is half loaded."),
        53: ("An export would answer differently from `predict.py`: another mean, classes in another order, "
             "images decoded differently",
             "Exit 9, with the first image or class that differs. Nothing is kept of it."),
    },
}  # fmt: skip

# Rows of what is not implemented yet.
TODO: dict[int, str] = {}


def rows() -> dict[int, tuple[str, str]]:
    """Return every row by its number."""
    return {number: row for group in GROUPS.values() for number, row in group.items()}


def proofs(folder: Path = TESTS) -> dict[int, list[str]]:
    """Return the tests of each row, as path::name."""
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
    """Return what the programs that are too long for the tests found: one line for each of their figures."""
    lines = []
    for command, name, told in (
        ("python -m tests.soak FOLDER", "soak.json", _soak_lines),
        ("python -m tests.bad_tree IMAGES_DIR FOLDER", "bad-tree.json", _bad_tree_lines),
        ("python -m tests.worker_equality FOLDER", "worker-equality.json", _equality_lines),
    ):
        path = results / name
        found = told(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else ["not run yet"]
        lines += [f"- `{command}`:", *(f"  - {line}" for line in found)]
    return lines


def _soak_lines(figures: dict[str, Any]) -> list[str]:
    """Describe the phases of the soak test that were run."""
    lines = []
    for key, title in (("kills", "kill -9 at random moments"), ("load", "the same under load")):
        if key in figures:
            phase = figures[key]
            lines.append(
                f"{title}: {phase['kills']} kills in {phase['runs']} runs; {phase['different']} runs ended with "
                f"other bits than the uninterrupted run ({phase['seconds'] / 60:.0f} minutes)"
            )
    if "full_disk" in figures:
        phase = figures["full_disk"]
        lines.append(
            f"a full disk ({phase['way']}), {phase['cycles']} times: {phase['damaged']} damaged checkpoints; "
            f"{phase['different']} runs ended differently"
        )
    return lines


def _bad_tree_lines(figures: dict[str, Any]) -> list[str]:
    """Describe the planted files, and what each script made of them."""
    lines = [
        f"{figures['images']} photographs, {figures['odd']} of them in unusual formats or with unusual names, and "
        f"{figures['bad']} unreadable files of {figures['kinds']} kinds"
    ]
    if figures["left_out"]:
        lines.append(f"kinds that the machine did not allow: {', '.join(figures['left_out'])}")
    for step in ("check", "train", "test", "predict"):
        found = figures[step]
        bad, readable = figures["bad"], len(found["too_many"])
        named = bad - len(found["missing"])
        lines.append(f"{step}: named {named} of {bad} unreadable files, and {readable} readable ones")
    return lines


def _equality_lines(trainings: list[dict[str, Any]]) -> list[str]:
    """Describe how far several workers are from one process, net by net."""
    lines = []
    for net in dict.fromkeys(found["net"] for found in trainings):
        of_net = [found for found in trainings if found["net"] == net]
        workers = ", ".join(f"{found['workers']}" for found in of_net)
        updates = min(found["updates"] for found in of_net)
        losses, variables, among = (
            max(found[key] for found in of_net) for key in ("losses", "variables", "among_workers")
        )
        lines.append(
            f"{workers} workers and one process, a net {net}, after {updates} updates: losses differ by "
            f"{losses:.1g} at most, weights by {variables:.1g}, and from worker to worker by {among:g}"
        )
    return lines


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
