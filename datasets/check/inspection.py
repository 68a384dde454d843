"""Inspect a folder, an archive or a set in its official format: decode every image once and write nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets.cache.build import DecodeBar
from datasets.catalogue import DATASETS
from datasets.errors import DataError
from datasets.image_files.folder_names import WHOLE
from datasets.image_files.folder_or_zip import Source, open_source
from datasets.image_files.labels import class_names_of, class_of_folder, class_of_pet, list_labelled
from datasets.image_files.unused_files import check_readable_classes
from datasets.images.decode import ImageError, ImageFacts, inspect_image
from datasets.images.duplicates import pixel_digest
from datasets.images.formats import SUFFIXES, suffix_of
from datasets.load import holds_own_form, load_splits
from datasets.storage.parallel import in_order

UNUSED = "unused"  # the part of files that no loader reads, such as a test folder without labels
ODDITIES = {  # unusual properties of images that are read, and how they are treated
    "grey": "grey: three equal channels",
    "cmyk": "CMYK: converted to RGB",
    "palette": "a palette: its colours",
    "transparent": "transparent: laid on white",
    "deep": "more than 8 bits a channel: scaled to 8",
    "range": "more than 8 bits without a stated range; may look dark, faint or clipped; convert to 8 bits or set "
    "SMaxSampleValue",
    "profile": "a colour profile: converted to sRGB",
    "other": "another colour space: converted to RGB",
    "animated": "several frames: the first is taken",
    "rotated": "turned or mirrored by EXIF: made upright",
    "suffix": "the suffix of another format: the content decides",
}
_ODD_MODES = {
    **dict.fromkeys(("1", "L", "LA", "La", "I", "F"), "grey"),
    **dict.fromkeys(("P", "PA"), "palette"),
    "CMYK": "cmyk",
}
_PLAIN_MODES = ("RGB", "RGBA", "RGBa", "RGBX")

_Place = tuple[str, str | None]  # part, class


@dataclass(frozen=True)
class Record:
    """A readable image.

    :param part: whole, train, val, test or unused.
    :param label: the name of its class, or None.
    :param width: in pixels, upright; height likewise.
    :param oddities: keys of ODDITIES.
    :param digest: of the upright RGB pixels at full size.
    """

    name: str
    part: str
    label: str | None
    width: int
    height: int
    oddities: tuple[str, ...]
    digest: bytes


@dataclass(frozen=True)
class Findings:
    """The results of an inspection.

    :param unreadable: (name, reason) of each file that cannot be decoded.
    :param undecoded: names of images in formats that are not decoded.
    :param others: names of files that are not images.
    :param empty_folders: names of the topmost folders without any file.
    :param layout: why no loader can use the files in these folders, or None.
    """

    path: str
    records: tuple[Record, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    undecoded: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    empty_folders: tuple[str, ...] = ()
    layout: str | None = None


def inspect(path: Path | str, *, workers: int | None = None) -> Findings:
    """Inspect every image of a folder or an archive in any format that a loader reads.

    :param workers: threads; None: one per processor.
    :raises DataError: there are no images, or files in an official format are damaged.
    """
    for name in DATASETS:
        if holds_own_form(name, path):
            return _inspect_arrays(name, path)
    return _inspect_files(open_source(path), workers)


def odd_about(facts: ImageFacts, name: str) -> tuple[str, ...]:
    """Return the keys of ODDITIES that apply to a file of this name."""
    mode = "I" if facts.mode.startswith("I") else facts.mode
    found = {
        _ODD_MODES.get(mode, "other"): mode not in _PLAIN_MODES,
        "transparent": facts.has_transparency,
        "deep": facts.is_deep,
        "range": facts.is_range_doubtful,
        "profile": facts.has_profile,
        "animated": facts.num_frames > 1,
        "rotated": 2 <= facts.orientation <= 8,
        "suffix": suffix_of(name) not in SUFFIXES[facts.format],
    }
    return tuple(key for key in ODDITIES if found.get(key))


def _inspect_arrays(form: str, path: Path | str) -> Findings:
    splits = load_splits(form, path, val_fraction=0.0)
    records = []
    for part, dataset in (("train", splits.train), ("test", splits.test)):
        if dataset is None:
            continue
        height, width, _ = dataset.images.shape[1:]
        classes = dataset.classes
        for row, name in enumerate(dataset.file_names or ()):
            digest = pixel_digest(dataset.images[row])
            records.append(Record(name, part, splits.class_names[classes[row]], width, height, (), digest))
    return Findings(str(path), tuple(records))


def _inspect_files(source: Source, workers: int | None) -> Findings:
    names = source.files().names
    places, layout = _places(source, names)
    records, unreadable = [], []
    with DecodeBar(len(names), "Checking images") as bar:
        for found in in_order(partial(_inspect_file, source, places), names, workers):
            if isinstance(found, Record):
                records.append(found)
            else:
                unreadable.append(found)
            bar.advance(1)
    return Findings(
        str(source.path),
        tuple(records),
        tuple(unreadable),
        tuple(source.undecoded()),
        tuple(source.others()),
        tuple(source.empty_folders()),
        layout or _unreadable_classes(source, places, unreadable),
    )


def _unreadable_classes(
    source: Source, places: dict[str, _Place], unreadable: Sequence[tuple[str, str]]
) -> str | None:
    """Return the error of a loader about classes without a readable image, or None."""
    labelled: dict[str, list[tuple[str, str]]] = {}
    for name, (part, label) in places.items():
        if label is not None:
            labelled.setdefault(part, []).append((name, label))
    try:
        check_readable_classes(source, labelled, unreadable, labelled)
    except DataError as error:
        return str(error)
    return None


def _inspect_file(source: Source, places: dict[str, _Place], name: str) -> Record | tuple[str, str]:
    """Return the record of one file, or its name and the reason why it cannot be read."""
    try:
        pixels, facts = inspect_image(source.read(name))
    except ImageError as error:
        return name, str(error)
    height, width, _ = pixels.shape
    part, label = places[name]
    return Record(name, part, label, width, height, odd_about(facts, name), pixel_digest(pixels))


def _places(source: Source, names: Sequence[str]) -> tuple[dict[str, _Place], str | None]:
    """Return the part and the class of each file by the first rule that fits, or the reason why none does.

    :raises DataError: there are no images.
    """
    if not names:
        list_labelled(source)  # raises
    problems = []
    for rule in (class_of_folder, class_of_pet):
        try:
            listing = list_labelled(source, rule)
            class_names_of(source, listing)
        except DataError as error:
            problems.append(str(error))
            continue
        used = {name: (part, label) for part, files in listing.items() for name, label in files}
        return {name: used.get(name, (UNUSED, None)) for name in names}, None
    return dict.fromkeys(names, (WHOLE, None)), problems[0]
