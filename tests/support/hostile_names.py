"""Names of folders that a user may choose and a program may misread."""

import os

NAMES = [
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
