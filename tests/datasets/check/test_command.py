import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from datasets.check import command, inspection
from datasets.check.inspection import ODDITIES, Findings, Record, inspect, odd_about
from datasets.check.report import report_of
from datasets.errors import DataError
from datasets.images.decode import ImageFacts, inspect_image, read_image
from datasets.images.near_duplicates import SIGNATURE_BYTES
from tests.support.made_profiles import profile
from tests.support.made_sets import cifar_parts, mnist_parts, write_mnist, write_python_batches

ROOT = Path(__file__).resolve().parents[3]


def pixels(seed=0, height=6, width=8):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(picture, form="PNG", **options):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def good(*folders, count=2):
    names = [f"{folder}/{i}.png" for folder in folders for i in range(count)]
    return {name: encoded(pixels(seed)) for seed, name in enumerate(names)}


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


def turned_in_words():
    """An EXIF block whose orientation is the text "6" and no number."""
    entry = struct.pack("<HHI", 0x0112, 2, 2) + b"6\0\0\0"
    return {"exif": b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)}


def deep_colour():
    """Return a PNG with three channels of 16 bits, which Pillow cannot write."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header, rows = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0), zlib.compress(bytes(13))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


RGB = Image.fromarray(pixels())
FRAMES = {"save_all": True, "append_images": [Image.fromarray(pixels(1))]}
ODD = {  # file name: content, kinds
    "plain.jpg": (encoded(RGB, "JPEG"), ()),
    "grey.jpg": (encoded(RGB.convert("L"), "JPEG"), ("grey",)),
    "bits.png": (encoded(RGB.convert("1")), ("grey",)),
    "cmyk.jpg": (encoded(RGB.convert("CMYK"), "JPEG"), ("cmyk",)),
    "palette.png": (encoded(RGB.convert("P")), ("palette",)),
    "clear_palette.png": (encoded(RGB.convert("P"), transparency=1), ("palette", "transparent")),
    "rgba.png": (encoded(RGB.convert("RGBA")), ("transparent",)),
    "la.png": (encoded(RGB.convert("LA")), ("grey", "transparent")),
    "deep.png": (encoded(np.zeros((2, 2), np.uint16)), ("grey", "deep")),
    "deep.tif": (encoded(np.zeros((2, 2), np.float32), "TIFF"), ("grey", "deep")),
    "deep_colour.png": (deep_colour(), ("deep",)),
    "twelve.png": (encoded(np.array([[0, 4095]], np.uint16)), ("grey", "deep", "range")),
    "linear.png": (encoded(RGB, icc_profile=profile("linear")), ("profile",)),
    "lab.tif": (encoded(Image.new("LAB", (2, 2)), "TIFF"), ("other",)),
    "moves.gif": (encoded(RGB, "GIF", **FRAMES), ("palette", "animated")),
    "moves.webp": (encoded(RGB, "WEBP", **FRAMES), ("animated",)),
    "moves.png": (encoded(RGB, "PNG", **FRAMES), ("animated",)),
    "pages.tif": (encoded(RGB, "TIFF", **FRAMES), ("animated",)),
    "turned.jpg": (encoded(RGB, "JPEG", **turned()), ("rotated",)),
    "turned.tif": (encoded(RGB, "TIFF", **turned()), ("rotated",)),
    "text_for_orientation.jpg": (encoded(RGB, "JPEG", **turned_in_words()), ()),
    "png.jpg": (encoded(RGB), ("suffix",)),
    "upper.JPEG": (encoded(RGB, "JPEG"), ()),
    "several.jpg": (encoded(RGB, "MPO", **FRAMES), ()),  # as telephones write it
}


@pytest.mark.fault(3, 4, 5, 6)
@pytest.mark.parametrize("name", ODD)
def test_odd_values_are_reported_and_the_pixels_are_those_read(name):
    content, kinds = ODD[name]
    found, facts = inspect_image(content)
    assert set(odd_about(facts, name)) == set(kinds)
    np.testing.assert_array_equal(found, read_image(content))


def test_every_kind_of_oddity_is_tried():
    assert {kind for _, kinds in ODD.values() for kind in kinds} == set(ODDITIES)


def test_invalid_later_frames_do_not_make_the_first_unreadable(monkeypatch):
    def broken(image):
        raise ValueError("damaged")

    content = encoded(RGB, "GIF", **FRAMES)
    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.n_frames", property(broken))
    assert inspect_image(content)[1] == ImageFacts("GIF", "P", False, False, False, False, 1, 1)


BAD = {"cat/empty.png": b"", "cat/page.jpg": b"<html>", "dog/cut.png": encoded(pixels(9))[:-60]}


@pytest.mark.fault(1, 11)
def test_unreadable_files_are_listed_with_their_reasons_and_exit_3(tmp_path, capsys):
    root = write(tmp_path / "pets", good("cat", "dog") | BAD)
    (root / "cat" / "line\nbreak.png").symlink_to("absent")
    assert command.main([str(root)]) == 3
    out = capsys.readouterr().out
    assert "4 images can be read, 4 cannot" in out
    assert "  'cat/empty.png': the file is empty\n" in out
    assert "  'cat/page.jpg': not an image of a known format" in out
    assert "  'cat/line\\nbreak.png': cannot be read (No such file or directory)\n" in out
    assert "  'dog/cut.png': damaged image" in out


def snapshot(root):
    return {path: (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


@pytest.mark.parametrize("packed", [False, True])
def test_nothing_is_changed_and_the_report_holds_everything(tmp_path, capsys, monkeypatch, packed):
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))
    files = good("train/cat", "train/dog", "test/cat", "test/dog") | {
        "train/cat/photo.heic": b"",
        "train/dog/copy.bmp": encoded(pixels(0), "BMP"),  # of train/cat/0.png
        "test/dog/copy.png": encoded(pixels(0), compress_level=0),
        "train/cat/again.png": encoded(pixels(1)),  # of train/cat/1.png
        "train/dog/large.png": encoded(pixels(50, 30, 41)),
        "train/dog/empty.png": b"",
    }
    source = write(tmp_path / "pets", files)
    if packed:
        source = tmp_path / "pets.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"pets/{name}", content)
    before = snapshot(tmp_path)
    json_file = tmp_path / "report.json"
    assert command.main([str(source), "--json", str(json_file)]) == 3
    report = json.loads(json_file.read_text())
    json_file.unlink()
    assert snapshot(tmp_path) == before
    prefix = "pets/" if packed else ""
    copies = ["test/dog/copy.png", "train/cat/0.png", "train/dog/copy.bmp"]
    assert report == {
        "path": str(source),
        "images": 12,
        "layout": None,
        "counts": {"train": {"cat": 3, "dog": 4}, "test": {"cat": 2, "dog": 3}},
        "sizes": {
            "width": {"min": 8, "median": 8, "max": 41},
            "height": {"min": 6, "median": 6, "max": 30},
        },
        "unreadable": [{"name": f"{prefix}train/dog/empty.png", "reason": "the file is empty"}],
        "undecoded": [f"{prefix}train/cat/photo.heic"],
        "others": [],
        "empty_folders": [],
        "odd": {},
        "duplicates": [
            {
                "files": [prefix + name for name in copies],
                "parts": ["test", "train"],
                "classes": ["cat", "dog"],
            },
            {
                "files": [f"{prefix}train/cat/{name}.png" for name in ("1", "again")],
                "parts": ["train"],
                "classes": ["cat"],
            },
        ],
        "near_duplicates": [],
        "in_training": {"test": {f"{prefix}test/dog/copy.png": f"{prefix}train/cat/0.png"}},
    }
    out = capsys.readouterr().out
    assert "train   7: cat 3, dog 4\ntest    5: cat 2, dog 3\n" in out
    assert "width   8 / 8 / 41 pixels (min / median / max)" in out
    assert "the same pixels more than once, in groups: 2" in out
    assert "'train/dog/copy.bmp': in test and train, in cat and dog" in out.replace(prefix or "\0", "")
    assert "in formats that are not decoded: 1" in out


def test_smaller_and_recompressed_copies_are_found_and_those_of_training_images_come_first(tmp_path, capsys):
    pictures = {name: Image.fromarray(getattr(data, name)()) for name in ("chelsea", "astronaut", "coffee")}
    root = write(
        tmp_path / "pets",
        {
            "train/cat/a.png": encoded(pictures["chelsea"]),
            "train/dog/b.jpg": encoded(pictures["astronaut"], "JPEG"),
            "train/dog/c.jpg": encoded(pictures["coffee"], "JPEG"),
            "test/cat/small.jpg": encoded(pictures["chelsea"].resize((150, 100)), "JPEG", quality=60),
            "test/dog/grey.png": encoded(pixels(1, 64, 64)),
            "train/cat/b2.jpg": encoded(pictures["astronaut"], "JPEG", quality=30),
        },
    )
    assert command.main([str(root), "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["duplicates"] == []
    assert report["near_duplicates"] == [
        {"files": ["train/cat/b2.jpg", "train/dog/b.jpg"], "parts": ["train"], "classes": ["cat", "dog"]},
        {"files": ["test/cat/small.jpg", "train/cat/a.png"], "parts": ["test", "train"], "classes": ["cat"]},
    ]
    assert report["in_training"] == {"test": {"test/cat/small.jpg": "train/cat/a.png"}}
    lines = capsys.readouterr().out.splitlines()
    warning = lines.index(
        "warning: 1 of the test images shows the picture of a training image, so scores are too optimistic "
        "('test/cat/small.jpg' is 'train/cat/a.png'); remove them from one of the two"
    )
    assert lines[warning + 1] == "nearly the same picture more than once, in groups: 2"
    assert lines[-2].endswith("in test and train")
    assert lines[-1] == "warning: groups with several classes: 1; keep each picture in one class"


def test_a_tar_archive_of_images_is_checked(tmp_path, capsys):
    root = write(tmp_path / "pets", good("cat", "dog"))
    with tarfile.open(tmp_path / "pets.tar", "w:") as archive:
        archive.add(root, "pets")
    assert command.main([str(tmp_path / "pets.tar")]) == 0
    assert "4 images can be read" in capsys.readouterr().out


def test_contradictory_labels_come_before_shared_images():
    def record(name, part, label, digest):
        return Record(name, part, label, 8, 6, (), digest, digest * SIGNATURE_BYTES)

    records = (
        record("a", "train", "cat", b"1"),
        record("b", "test", "cat", b"1"),
        record("c", "train", "cat", b"2"),
        record("d", "train", "dog", b"2"),
    )
    found = report_of(Findings("pets", records))["duplicates"]
    assert [group["files"] for group in found] == [["c", "d"], ["a", "b"]]


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (["cat.0.png", "dog.0.png"], {"whole": {"cat": 1, "dog": 1}}),
        (
            ["train/cat.0.png", "train/dog.0.png", "test1/1.png"],
            {"train": {"cat": 1, "dog": 1}, "unused": {"(no class)": 1}},
        ),
        (["PetImages/Cat/0.png", "PetImages/Dog/0.png"], {"whole": {"Cat": 1, "Dog": 1}}),
    ],
)
def test_cats_and_dogs_in_their_own_forms(tmp_path, names, counts):
    files = {name: encoded(pixels(seed)) for seed, name in enumerate(names)}
    report = report_of(inspect(write(tmp_path, files)))
    assert (report["counts"], report["layout"], report["duplicates"]) == (counts, None, [])


def test_a_layout_that_no_loader_reads_is_reported_and_all_images_are_checked(tmp_path, capsys):
    assert command.main([str(write(tmp_path, good("cat", "dog") | {"logo.png": encoded(pixels(7))}))]) == 3
    out = capsys.readouterr().out
    assert "5 images can be read, 0 cannot" in out
    assert "not ready for training: 1 of 5 images" in out
    assert "whole   5: (no class) 5" in out


GAMMA = {  # what a third class holds beside two good ones: the files, and what is said of it
    "nothing": ({}, 0, "60 images can be read, 0 cannot; empty folders: 'gamma'\n"),
    "other files": (
        {"0.xyz": b"x", "1.xyz": b"x"},
        3,
        "not ready for training: in '.*' 'gamma' has no images",
    ),
    "damaged": (
        {"0.jpg": b"\xff\xd8\xff\xe0 broken"},
        3,
        "not ready .* none of the images of 'gamma' can be read",
    ),
    "no suffix": ({"0": encoded(pixels(9)), "1.a": encoded(pixels(10))}, 0, "alpha 30, beta 30, gamma 2"),
    "notes": (
        {"0.png": encoded(pixels(9)), "0.json": b"{}"},
        0,
        "not images, and left out: 1\n  .json: 'gamma/0.json'",
    ),
}


@pytest.mark.fault(8, 47)
@pytest.mark.parametrize("kind", GAMMA)
def test_a_class_without_images_is_reported(tmp_path, capsys, caplog, kind):
    files, code, said = GAMMA[kind]
    root = write(tmp_path / "pets", good("alpha", "beta", count=30))
    (root / "gamma").mkdir()
    write(root / "gamma", files)
    assert command.main([str(root)]) == code
    assert re.search(said, capsys.readouterr().out)
    assert caplog.records == []  # each thing is said once, in the report


@pytest.mark.parametrize(
    ("make", "images", "classes"),
    [
        (lambda root: write_mnist(root, mnist_parts()), 80, "0"),
        (lambda root: write_python_batches(root, cifar_parts()), 120, "airplane"),
    ],
)
def test_sets_in_their_official_form(tmp_path, make, images, classes):
    report = report_of(inspect(make(tmp_path)))
    assert report["images"] == images
    assert report["counts"]["test"][classes] == 2
    assert report["duplicates"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 3, "no folder or archive at 'nowhere'"),
        (["."], 3, "no images in '.' (found: nothing)"),
        ([], 2, "the following arguments are required: DIR"),
        ([".", "--jso"], 2, "expected one argument"),
        (
            [".", "--json", "absent/x.json"],
            6,
            "there is no folder for --json 'absent/x.json'; create it first",
        ),
        (["x" * 300], 6, "File name too long"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("datasets.check: ")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_zip_archive_of_another_name_is_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos", "w") as archive:
        for name, content in good("cat", "dog").items():
            archive.writestr(name, content)
    assert command.main([str(tmp_path / "photos")]) == 0


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path, capsys):
    root = write(tmp_path / "pets", good("cat", "dog"))
    (tmp_path / "report").mkdir()
    assert command.main([str(root), "--json", str(tmp_path / "report")]) == 6
    assert "cannot be written to" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets", "report"]


def test_debug_shows_the_traceback(capsys):
    assert command.main(["nowhere", "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_too_little_memory_is_not_an_unreadable_file(tmp_path, monkeypatch, capsys):
    def exhausted(data):
        raise MemoryError

    monkeypatch.setattr(inspection, "inspect_image", exhausted)
    assert command.main([str(write(tmp_path, good("cat", "dog")))]) == 6
    assert "out of memory" in capsys.readouterr().err


def test_as_a_command_without_tensorflow(tmp_path):
    root = write(tmp_path / "pets", good("cat", "dog"))
    code = (
        "import runpy, sys; sys.argv = ['check', sys.argv[1]]\n"
        "try: runpy.run_module('datasets.check', run_name='__main__')\n"
        "finally: assert not {'tensorflow', 'models', 'learning'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, root], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 images can be read, 0 cannot" in done.stdout


def test_a_closed_pipe_is_not_an_error(tmp_path):
    root = write(tmp_path / "pets", good("cat", "dog"))
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "datasets.check", str(root)]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_many_images_are_reported_in_order_with_any_number_of_threads(tmp_path):
    root = write(tmp_path, good("a", "b", count=40))
    names = [record.name for record in inspect(root, workers=4).records]
    assert names == sorted(names)
    assert inspect(root, workers=1) == inspect(root, workers=4)


def test_a_damaged_official_form_is_an_error(tmp_path):
    root = write_mnist(tmp_path, mnist_parts())
    (root / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="there is no t10k-labels"):
        inspect(root)


@pytest.mark.fault(46)
def test_a_name_that_the_terminal_lacks_is_escaped(tmp_path, monkeypatch):
    for name in ("caf\u00e9", os.fsdecode(b"th\xe9")):
        write(tmp_path, {f"{name}/0.png": encoded(Image.fromarray(pixels(len(name))))})
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, "ascii"))
    assert command.main([str(tmp_path)]) == 0
    assert b"caf\\xe9 1, th\\udce9 1" in buffer.getvalue()


@pytest.mark.fault(46)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk is had as Linux has it")
def test_a_report_that_cannot_be_printed_is_in_its_file(tmp_path, monkeypatch, capsys):
    write(tmp_path / "images", good("a", "b"))
    arguments = [str(tmp_path / "images"), "--json", str(tmp_path / "report.json")]
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert command.main(arguments) == 6
    assert "the report cannot be printed (No space left on device)" in capsys.readouterr().err
    assert json.loads((tmp_path / "report.json").read_text())["images"]
    monkeypatch.setattr(sys, "stdout", None)
    assert command.main(arguments) == 0
