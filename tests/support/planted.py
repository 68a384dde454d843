"""Files and names that users have: unreadable files, odd files that can be read, rubbish, names that mislead.

Each kind makes its files from a real photograph. Where a system cannot have a kind (an unreadable file for the
superuser, an undecodable name), the kind is left out and reported.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support import bombs

Photo = Image.Image  # RGB
Content = Callable[[Photo], bytes]


def packed(photo: Photo, form: str, **options) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    photo.save(file, form, **options)
    return file.getvalue()


def cut(form: str, share: float, **options) -> Content:
    """Return a function that keeps a share of a file's bytes."""

    def content(photo: Photo) -> bytes:
        whole = packed(photo, form, **options)
        return whole[: int(share * len(whole))]

    return content


def bomb(suffix: str) -> Content:
    """A header that claims a huge image."""
    return lambda photo: bombs.image(suffix)


def solid_bomb(photo: Photo) -> bytes:
    """An image of 81 million pixels in some kilobytes."""
    return packed(Image.new("1", (9000, 9000)), "PNG")


# Files that cannot be read, by what is in them.
DAMAGED: dict[str, tuple[str, Content]] = {  # kind: (suffix, content)
    "empty": (".jpg", lambda photo: b""),
    "zeros": (".jpg", lambda photo: bytes(5000)),
    "noise": (".jpg", lambda photo: np.random.default_rng(0).bytes(5000)),
    "text": (".jpg", lambda photo: b"The photographs have moved.\n"),
    "HTML": (".jpg", lambda photo: b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
    "JSON": (".png", lambda photo: b'{"error": "not found"}'),
    "PostScript": (".jpg", lambda photo: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "JPEG cut in its first marker": (".jpg", lambda photo: packed(photo, "JPEG")[:3]),
    "JPEG cut in its header": (".jpg", cut("JPEG", 0.02)),
    "JPEG cut to half": (".jpg", cut("JPEG", 0.5)),
    "JPEG without its last bytes": (".jpg", lambda photo: packed(photo, "JPEG")[:-20]),
    "progressive JPEG cut": (".jpeg", cut("JPEG", 0.7, progressive=True)),
    "PNG cut behind its header": (".png", lambda photo: packed(photo, "PNG")[:33]),
    "PNG cut to half": (".png", cut("PNG", 0.5)),
    "PNG without its last bytes": (".png", lambda photo: packed(photo, "PNG")[:-40]),
    "PNG cut under the name of a JPEG": (".jpg", cut("PNG", 0.9)),
    "BMP cut": (".bmp", cut("BMP", 0.9)),
    "WebP cut": (".webp", cut("WEBP", 0.9)),
    "TIFF cut": (".tif", cut("TIFF", 0.5)),
    **{f"bomb {suffix}": (suffix, bomb(suffix)) for suffix in bombs.IMAGES},
    "bomb under the name of a JPEG": (".jpg", solid_bomb),
}


def dangling(path: Path) -> bool:
    path.symlink_to("nowhere.jpg")
    return True


def loop(path: Path) -> bool:
    path.symlink_to(path.name)
    return True


def long_loop(path: Path) -> bool:
    """Two links that lead to each other; the other has no name of an image."""
    other = path.with_name(f".{path.name}.link")
    path.symlink_to(other.name)
    other.symlink_to(path.name)
    return True


def pipe(path: Path) -> bool:
    os.mkfifo(path)
    return True


def device(path: Path) -> bool:
    """A link to endless zeros."""
    path.symlink_to("/dev/zero")
    return True


def unreadable(path: Path) -> bool:
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser reads everything
        path.unlink()
        return False
    return True


# Files that cannot be read, by what they are; each says whether this system can have it.
UNREADABLE: dict[str, Callable[[Path], bool]] = {
    "dangling link": dangling,
    "link to itself": loop,
    "two links in a circle": long_loop,
    "pipe": pipe,
    "link to a device": device,
    "file without permissions": unreadable,
}

NAMES: dict[str, str] = {  # what stands in a name, and is no reason to leave a good file out
    "line break": "first\nsecond",
    "escape sequence": "\x1b[2Jclear",
    "no text": os.fsdecode(b"caf\xe9 \xff"),
    "other scripts": "Größe 猫 \u202egnp",
    "comma and quotes": "a,\"b\",'c'",
    "formula": "=1+1",
    "option": "-rf",
    "spaces": " a  b ",
    "percent and backslash": "%s{0}\\n",
    "long": "x" * 240,
}

# Names of folders that a program may misread.
FOLDER_NAMES = [
    "lr=[0.1]",
    "[",
    "a]b",
    "back\\slash",
    "a*b?c",
    "{x} %s %d #1",
    "'single' \"double\"",
    "new\nline",
    " spaces ",
    "Übung 日本",
    os.fsdecode(b"bytes \xff\xfe"),
    "x" * 200,
    "-dash",
    "~nobody",
    "$HOME `id` & ; |",
]


def rotated(photo: Photo) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return packed(photo, "JPEG", exif=exif)


def deep(photo: Photo) -> bytes:
    return packed(Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257), "PNG")


def animated(photo: Photo) -> bytes:
    return packed(photo, "GIF", save_all=True, append_images=[photo.transpose(Image.Transpose.ROTATE_180)])


def extraneous(photo: Photo) -> bytes:
    whole = packed(photo, "JPEG")
    return whole[:-2] + bytes(50) + whole[-2:]


def flipped(photo: Photo) -> bytes:
    """Flip a bit of the compressed pixels without adding or removing a marker."""
    whole = bytearray(packed(photo, "JPEG"))
    middle = next(i for i in range(len(whole) // 2, len(whole)) if max(whole[i - 1 : i + 2]) < 0xFE)
    whole[middle] ^= 1
    return bytes(whole)


# Odd files that are read all the same.
ODD: dict[str, tuple[str, Content]] = {
    "grey": (".jpg", lambda photo: packed(photo.convert("L"), "JPEG")),
    "CMYK": (".jpg", lambda photo: packed(photo.convert("CMYK"), "JPEG")),
    "palette": (".png", lambda photo: packed(photo.convert("P"), "PNG")),
    "transparent": (".png", lambda photo: packed(photo.convert("RGBA"), "PNG")),
    "grey and transparent": (".png", lambda photo: packed(photo.convert("LA"), "PNG")),
    "one bit": (".png", lambda photo: packed(photo.convert("1"), "PNG")),
    "16 bits": (".png", deep),
    "animated GIF": (".gif", animated),
    "turned by EXIF": (".jpg", rotated),
    "PNG under the name of a JPEG": (".jpg", lambda photo: packed(photo, "PNG")),
    "GIF under the name of a PNG": (".png", lambda photo: packed(photo, "GIF")),
    "BMP under the name of a JPEG": (".JPG", lambda photo: packed(photo, "BMP")),
    "WebP under the name of a JPEG": (".jpeg", lambda photo: packed(photo, "WEBP")),
    "bytes too many before the end": (".jpg", extraneous),
    "bytes behind the end": (".jpg", lambda photo: packed(photo, "JPEG") + bytes(5000)),
    "flipped bit": (".jpg", flipped),
    "progressive": (".jpg", lambda photo: packed(photo, "JPEG", progressive=True)),
}


def plant_rubbish(root: Path, labels: list[str]) -> None:
    """Add files of file managers and notebooks, which must be ignored silently."""
    for name in (".ipynb_checkpoints", "__MACOSX", "empty", ".hidden"):
        (root / name).mkdir()
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt", ".ipynb_checkpoints/a-checkpoint.jpg"):
        (root / name).write_bytes(b"no image")
    for name in ("__MACOSX/._a.jpg", ".hidden/a.jpg", f"{labels[0]}/Thumbs.db", f"{labels[0]}/._a.jpg"):
        (root / name).write_bytes(b"no image")
    (root / labels[0] / ".ipynb_checkpoints").mkdir()
    (root / labels[0] / ".ipynb_checkpoints" / "a.jpg").write_bytes(b"no image")
    (root / labels[0] / "back").symlink_to("..")  # a loop of folders
    (root / labels[-1] / "gone").symlink_to("nowhere")
