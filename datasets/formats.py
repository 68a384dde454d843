"""Which files are images: by their suffix, or where that says nothing, by their first bytes."""

import re
from pathlib import PurePosixPath

from PIL import features

_HAS_AVIF = "avif" in features.modules and features.check_module("avif")  # Pillow 11.3 and later, mostly

SUFFIXES = {  # of each format that is decoded
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
_CAMERA_SUFFIXES = frozenset(  # many begin like a TIFF, and hold a small preview first
    {".raw", ".cr2", ".cr3", ".nef", ".nrw", ".dng", ".arw", ".sr2", ".srf", ".srw", ".orf", ".raf", ".rw2"}
    | {".pef", ".3fr", ".erf", ".kdc", ".dcr", ".mrw", ".x3f"}
)
UNDECODED_SUFFIXES = (  # images all the same: a loader names them, so that nobody misses them
    _CAMERA_SUFFIXES
    | {".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".svg", ".psd", ".tga", ".ico", ".exr", ".eps"}
) - IMAGE_SUFFIXES
_OTHER_SUFFIXES = frozenset(  # what often lies beside images, by the thousand, and need not be opened
    {".txt", ".md", ".rst", ".pdf", ".doc", ".docx", ".htm", ".html", ".csv", ".tsv", ".xls", ".xlsx", ".log"}
    | {".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".names", ".data", ".xmp", ".aae"}
    | {".thm", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pickle", ".parquet", ".db", ".sqlite"}
    | {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".py", ".ipynb", ".sh", ".js", ".css"}
    | {".mp4", ".mov", ".avi", ".mkv", ".webm", ".mp3", ".wav"}
)

IMAGE, UNDECODED, OTHER = "image", "undecoded", "other"
START_BYTES = 32  # of a file that tell whether it is an image

_STARTS = re.compile(
    rb"\xff\xd8\xff"
    rb"|\x89PNG\r\n\x1a\n"
    rb"|GIF8[79]a"
    rb"|RIFF.{4}WEBP"
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}"  # behind the offset, the size of the header
    rb"|II[\x2a\x2b]\0|MM\0[\x2a\x2b]"
    rb"|P[1-6]\s+[#\d]" + (rb"|.{4}ftypavi[fs]" if _HAS_AVIF else b""),
    re.DOTALL,
)


def suffix_of(name: str) -> str:
    """The last suffix of a file name in small letters, with its dot; or ''."""
    return PurePosixPath(name).suffix.lower()


def kind_by_name(name: str) -> str | None:
    """IMAGE, UNDECODED or OTHER; None where the suffix is missing or unknown, so that the content decides."""
    suffix = suffix_of(name)
    for kind, suffixes in (
        (IMAGE, IMAGE_SUFFIXES),
        (UNDECODED, UNDECODED_SUFFIXES),
        (OTHER, _OTHER_SUFFIXES),
    ):
        if suffix in suffixes:
            return kind
    return None


def kind_by_start(start: bytes) -> str:
    """IMAGE if a file with these first START_BYTES bytes is in a format that is decoded; else OTHER."""
    return IMAGE if _STARTS.match(start) else OTHER
