"""Recognize images by the suffix of the file, or if it is unknown, by the first bytes."""

import re
from collections.abc import Callable

from PIL import features

_HAS_AVIF = "avif" in features.modules and features.check_module("avif")  # Pillow 11.3 and later, mostly

SUFFIXES = {  # of the formats that are decoded
    "JPEG": frozenset({".jpg", ".jpeg", ".jpe", ".jfif"}),
    "PNG": frozenset({".png"}),
    "BMP": frozenset({".bmp"}),
    "GIF": frozenset({".gif"}),
    "WEBP": frozenset({".webp"}),
    "TIFF": frozenset({".tif", ".tiff"}),
    "PPM": frozenset({".pgm", ".ppm", ".pnm"}),
    **({"AVIF": frozenset({".avif"})} if _HAS_AVIF else {}),
}
IMAGE_SUFFIXES = frozenset().union(*SUFFIXES.values())
_CAMERA_SUFFIXES = frozenset(  # many begin like a TIFF with a small preview
    {".raw", ".cr2", ".cr3", ".nef", ".nrw", ".dng", ".arw", ".sr2", ".srf", ".srw", ".orf", ".raf", ".rw2"}
    | {".pef", ".3fr", ".erf", ".kdc", ".dcr", ".mrw", ".x3f", ".rwl", ".iiq", ".fff", ".mef", ".mos", ".gpr"}
)
UNDECODED_SUFFIXES = (  # images that are not decoded, which loaders report
    _CAMERA_SUFFIXES
    | {".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".tga", ".ico", ".exr", ".eps"}
) - IMAGE_SUFFIXES
_OTHER_SUFFIXES = frozenset(  # files that often lie beside images by the thousand, and need not be opened
    {".txt", ".md", ".rst", ".pdf", ".doc", ".docx", ".htm", ".html", ".csv", ".tsv", ".xls", ".xlsx", ".log"}
    | {".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".names", ".data", ".xmp", ".aae"}
    | {".thm", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pickle", ".parquet", ".db", ".sqlite"}
    | {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".py", ".ipynb", ".sh", ".js", ".css"}
    | {".mp4", ".mov", ".avi", ".mkv", ".webm", ".mp3", ".wav", ".lock"}
)

IMAGE, UNDECODED, OTHER = "image", "undecoded", "other"
_KIND_OF = {
    **dict.fromkeys(_OTHER_SUFFIXES, OTHER),
    **dict.fromkeys(UNDECODED_SUFFIXES, UNDECODED),
    **dict.fromkeys(IMAGE_SUFFIXES, IMAGE),
}
START_BYTES = 32  # first bytes of a file, by which images are recognized

_STARTS = re.compile(
    rb"\xff\xd8\xff"
    rb"|\x89PNG\r\n\x1a\n"
    rb"|GIF8[79]a"
    rb"|RIFF.{4}WEBP"
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}"  # the header size follows the offset
    rb"|II[\x2a\x2b]\0|MM\0[\x2a\x2b]"
    rb"|P[1-6]\s+[#\d]" + (rb"|.{4}ftypavi[fs]" if _HAS_AVIF else b""),
    re.DOTALL,
)
_UNDECODED_STARTS = re.compile(
    rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1|avi[fs]|crx )"  # HEIC, AVIF, Canon's CR3
    rb"|\0{3}\x0c(?:jP  |JXL )\r\n\x87\n"  # JPEG 2000, JPEG XL
    rb"|\xff\x4f\xff\x51"  # a bare stream of JPEG 2000
    rb"|8BPS\0[\1\2]",
    re.DOTALL,
)
_ENOUGH = 50  # files of one folder and suffix that decide the kind of the others


class KindsByContent:
    """Find the kinds of files with unknown suffixes, opening only the first of many similar files.

    If the first files of one suffix in one folder are all of one kind, so are the others. Files without a suffix
    have nothing in common, so each is opened.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], list[str]] = {}

    def kind(self, name: str, look: Callable[[], str]) -> str:
        """Return the kind of a file.

        :param name: path below the source's root.
        :param look: returns the kind by the file's content.
        """
        suffix = suffix_of(name)
        seen = self._seen.setdefault((name.rpartition("/")[0], suffix), [])
        if suffix and len(seen) == _ENOUGH and len(set(seen)) == 1:
            return seen[0]
        kind = look()
        if len(seen) < _ENOUGH:
            seen.append(kind)
        return kind


def suffix_of(name: str) -> str:
    """Return the last suffix of a file name in lower case with its dot, or ''."""
    stem, dot, suffix = name.rpartition(".")
    is_suffix = suffix and "/" not in suffix and stem and stem[-1] != "/"
    return dot + suffix.lower() if is_suffix else ""


def kind_by_name(name: str) -> str | None:
    """Return IMAGE, UNDECODED or OTHER; None if the suffix is missing or unknown, so that the content decides."""
    return _KIND_OF.get(suffix_of(name))


def kind_by_start(start: bytes) -> str:
    """Return the kind of a file with these first START_BYTES bytes."""
    if _STARTS.match(start):
        return IMAGE
    return UNDECODED if _UNDECODED_STARTS.match(start) else OTHER
