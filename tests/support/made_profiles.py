"""Colour profiles (ICC.1, version 2) written by hand, with any tone curve."""

import struct

RED, GREEN, BLUE = (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)
D50 = (0.9642, 1.0, 0.8249)


def profile(description, *, space="RGB ", curve=(1.0,), primaries=(RED, GREEN, BLUE)):
    """The bytes of a display profile.

    :param curve: light in [0, 1] at equal steps of the levels; or one value, a gamma: 1 for linear light.
    """
    values = [round(256 * curve[0])] if len(curve) == 1 else [round(65535 * value) for value in curve]
    curve = b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)
    tags = {"desc": _text(description), "wtpt": _xyz(D50)}
    if space == "GRAY":
        tags["kTRC"] = curve
    else:
        tags |= {f"{name}TRC": curve for name in "rgb"}
        tags |= {f"{name}XYZ": _xyz(values) for name, values in zip("rgb", primaries, strict=True)}
    return _packed(space.encode(), tags)


def _packed(space, tags):
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name.encode() + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4xI", start + len(body), 0x02400000) + b"mntr" + space + b"XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + _fixed(D50)
    return header.ljust(128, b"\0") + table + body


def _text(text):
    ascii_text = text.encode("ascii") + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(ascii_text)) + ascii_text + bytes(8 + 3 + 67)


def _xyz(values):
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values):
    return struct.pack(">3i", *(round(value * 65536) for value in values))
