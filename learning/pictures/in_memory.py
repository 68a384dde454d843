"""Make small pictures in memory, for pages, answers and TensorBoard."""

import base64
import io

import numpy as np
from PIL import Image

KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}  # by the first bytes of a file
BLUE = (70, 130, 200)  # of a filled cell, as in the page's table of the matrix


def png(pixels: np.ndarray) -> bytes:
    """Return uint8 (H, W, C), C of 1, 3 or 4 (with opacity), as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def data_uri(content: bytes) -> str:
    """Return the bytes of a PNG or JPEG file as a data URI. ValueError for another format."""
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), None)
    if kind is None:
        raise ValueError("it is neither PNG nor JPEG")
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def heat_map(shares: np.ndarray) -> np.ndarray:
    """Return a pixel for each cell of (K, K) shares: one colour, less transparent for larger shares.

    By its root, so that rare confusions show. Any background shines through, a dark one too.

    :return: uint8 (K, K, 4), red, green, blue and opacity.
    """
    pixels = np.zeros((*shares.shape, 4), np.uint8)
    pixels[..., :3] = BLUE
    pixels[..., 3] = np.where(shares > 0, np.round(255 * (0.2 + 0.8 * np.sqrt(shares))), 0)
    return pixels
