"""Small files that claim or unpack to a huge size."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG with a right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that claims a size and holds next to no pixels, only further chunks."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG of 8x8 pixels whose frame header claims another size."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    content = bytearray(file.getvalue())
    start = content.index(b"\xff\xc0") + 5  # behind marker, length and precision
    content[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def gif(width: int, height: int) -> bytes:
    """A GIF whose only frame has the size."""
    screen = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x80, 0, 0) + bytes(6)  # two colours
    return screen + struct.pack("<cHHHHBB", b",", 0, 0, width, height, 0, 2) + b"\x02\x44\x01\x00;"


def webp(width: int, height: int) -> bytes:
    """A lossless WebP of one colour whose header claims another size, up to 16,384 pixels a side."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "WEBP", lossless=True)
    content = bytearray(file.getvalue())
    start = content.index(b"VP8L") + 9  # behind the length and the signature
    content[start : start + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(content)


def bmp(width: int, height: int) -> bytes:
    """The headers of a BMP and a few of its pixels."""
    return struct.pack("<2sIII", b"BM", 154, 0, 54) + struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, 24, 0, 100, 0, 0, 0, 0
    ) + bytes(100)  # fmt: skip


def tiff(width: int, height: int) -> bytes:
    """A grey TIFF of one strip that is not there."""
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    entries += [(278, height), (279, width * height & 0xFFFFFFFF)]
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries)) + packed + bytes(4)


def ppm(width: int, height: int) -> bytes:
    """The header of a PPM."""
    return f"P6 {width} {height} 255\n".encode() + bytes(100)


# suffix: (width, height) -> content
IMAGES: dict[str, Callable[[int, int], bytes]] = {
    ".png": png, ".jpg": jpeg, ".gif": gif, ".webp": webp, ".bmp": bmp, ".tif": tiff, ".ppm": ppm,
}  # fmt: skip
MOST = {".webp": 16_383, ".jpg": 65_500, ".gif": 65_500}  # pixels a side that a format can say


def image(suffix: str, side: int = 100_000) -> bytes:
    """A square image that claims so many pixels a side, or as many as its format can say."""
    side = min(side, MOST.get(suffix, side))
    return IMAGES[suffix](side, side)


def png_with(kind: bytes, num_mib: int, times: int = 1) -> bytes:
    """A PNG of one pixel with chunks of so much compressed text (zTXt, iTXt) or colour profile (iCCP)."""
    head = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    body = head + (
        b"\x78\x9c" + deflated_zeros(num_mib) if num_mib > 1 else zlib.compress(bytes(2**20 - 100))
    )
    return png(1, 1, *[png_chunk(kind, body)] * times)


def tiff_tile(side: int = 65_536) -> bytes:
    """A deflated TIFF of 16x16 pixels whose only tile claims to be huge."""
    pixels = zlib.compress(bytes(2**20))
    entries = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1)]
    entries += [(322, side), (323, side), (324, 8 + 2 + 10 * 12 + 4), (325, len(pixels))]
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(entries)) + packed + bytes(4) + pixels


def deflated_zeros(num_mib: int) -> bytes:
    """A raw deflate stream of so many MiB of zeros, made out of one of them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * num_mib + b"\x03\0"


def gzipped_zeros(head: bytes, num_mib: int) -> bytes:
    """A gzip file of `head` and so many MiB of zeros; its parts are gzip files too, as the format allows."""
    return gzip.compress(head) + gzip.compress(bytes(2**20)) * num_mib


def write_zip(path: Path, name: str, content: bytes, claimed: int) -> Path:
    """A zip archive of one member, a deflate stream that is said to unpack to `claimed` bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
        (member,) = archive.infolist()
        member.compress_type, member.file_size = zipfile.ZIP_DEFLATED, claimed
    return path


def write_packed_zip(path: Path, name: str, method: int) -> Path:
    """A zip archive of one member of 110 MB of zeros, packed by another method and said to be of 1,000 bytes."""
    with zipfile.ZipFile(path, "w", method) as archive:
        with archive.open(name, "w") as member:
            for _ in range(105):
                member.write(bytes(2**20))
        archive.infolist()[0].file_size = 1000
    return path


def write_tar(path: Path, name: str, claimed: int, head: bytes = b"") -> Path:
    """A packed tar archive of one member: `head`, and zeros up to `claimed` bytes, some of which are there."""
    member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
    member.size = claimed
    path.write_bytes(gzipped_zeros(member.tobuf() + head, min(claimed // 2**20 + 1, 200)))
    return path


def sparse(path: Path, num_bytes: int, head: bytes = b"") -> Path:
    """A file of zeros behind its first bytes, which takes no room."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(max(num_bytes, len(head)))
    return path


def laughs(depth: int = 30) -> str:
    """YAML in which each name stands for nine of the one before it."""
    lines = ["l0: &l0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, depth)]
    return "\n".join(lines)
