import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from urllib3.exceptions import ReadTimeoutError

from datasets.asirra import load_asirra
from datasets.catalogue import DATASETS, DataSetEntry
from datasets.cifar10 import load_cifar10
from datasets.download import transfer, verification
from datasets.download.fetch import EARLIER, _held, fetch
from datasets.download.known_files import OfficialFile
from datasets.download.verification import check_official
from datasets.errors import DataError, OptionError, StorageError
from datasets.load import load_splits
from datasets.mnist import load_mnist
from tests.support.download_server import serving
from tests.support.made_sets import (
    change_entry,
    cifar_parts,
    mnist_parts,
    pack,
    write_binary_batches,
    write_mnist,
    write_python_batches,
)

ROOT = Path(__file__).resolve().parents[3]
CONTENT = np.random.default_rng(0).bytes(3_000_000)
ARCHIVES = [(name, file) for name, entry in DATASETS.items() for file in entry.verified]


def entry_of(*files):
    """An entry of the catalogue with these downloads."""
    return DataSetEntry(loader="", recipe="", downloads=files)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as (server, certificate):
        yield server, certificate


@pytest.fixture
def server(running, monkeypatch):
    """The server, trusted, with one file that is the data set `x`."""
    server, certificate = running
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setattr("datasets.download.fetch.WAITS", ())
    monkeypatch.setattr(transfer, "TIMEOUT", 300)  # a busy machine takes its time to shake hands
    server.behaviour = "good"
    server.ranges.clear()
    server.halfway.clear()
    server.go_on.clear()
    monkeypatch.setitem(DATASETS, "x", entry_of(server.add("x.bin", CONTENT)))
    return server


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "new" / "folder"


@pytest.fixture
def waits(monkeypatch):
    """Note the waits between two attempts instead of waiting."""
    waited = []
    monkeypatch.setattr("datasets.download.fetch.time", SimpleNamespace(sleep=waited.append))
    return waited


def wait_no_longer(patch):
    """Let the read of a stalled answer time out at once."""
    pieces = transfer._pieces

    def pieces_of_a_half(raw):
        left = int(raw.headers["content-length"]) // 2
        for piece in pieces(raw):
            yield piece
            left -= len(piece)
            if left == 0:
                raise ReadTimeoutError(None, None, "Read timed out.")

    patch.setattr(transfer, "_pieces", pieces_of_a_half)


def names_in(folder):
    """Return the names of the files in a folder, without locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_file_is_fetched_once(server, folder):
    assert fetch("x", folder) == folder / "x.bin"
    assert (folder / "x.bin").read_bytes() == CONTENT
    assert names_in(folder) == ["x.bin"]
    server.behaviour = "wrong bytes"
    assert fetch("x", str(folder)) == folder / "x.bin"
    assert server.ranges == [None]


def test_without_a_folder_it_goes_into_the_cache(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path))
    assert fetch("x") == tmp_path / "downloads" / "x" / "x.bin"


BROKEN = {  # behaviour: message, bytes that are kept
    "cut": (
        r"x.bin cannot be downloaded \(.*IncompleteRead.*\); the part that came is kept, try again",
        1_500_000,
    ),
    "cut without a length": ("ended after 1500000 of 3000000 bytes; the part that came is kept", 1_500_000),
    "stall": (r"cannot be downloaded \(.*timed out.*\); the part that came is kept, try again", 1_500_000),
    "announces more": ("announces 3000100 bytes, not the 3000000 of the official file", 0),
    "announces less": ("announces 2999999 bytes, not the 3000000 of the official file", 0),
    "sends more": ("sends more than the 3000000 bytes of the official file", 0),
    "wrong bytes": (
        "expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}; the download was removed, try again",
        None,
    ),
    "redirect http://localhost:1/moved/x.bin": (
        "redirects to http://localhost:1/moved/x.bin, which is not",
        0,
    ),
    "redirect HTTP://localhost:1/moved/x.bin": (
        "redirects to HTTP://localhost:1/moved/x.bin, which is not",
        0,
    ),
    "redirect ftp://localhost/moved/x.bin": ("which is not https; nothing was fetched", 0),
    "redirect /absent": ("cannot be downloaded .*404", 0),
}


@pytest.mark.fault(14, 15)
@pytest.mark.parametrize("behaviour", BROKEN)
def test_an_error_is_reported_and_the_next_attempt_works(server, folder, monkeypatch, behaviour):
    message, kept = BROKEN[behaviour]
    if behaviour == "redirect /absent":
        behaviour = "redirect /moved/absent"
    server.behaviour = behaviour
    with monkeypatch.context() as patch, pytest.raises(DataError, match=message) as error:
        if behaviour == "stall":
            wait_no_longer(patch)
        fetch("x", folder)
    assert error.value.exit_code == 3
    assert str(error.value).isprintable()
    assert names_in(folder) == ([] if kept is None else ["x.bin.part"])
    if kept is not None:
        # what was read last may be lost with the connection
        assert kept - 2**18 < (folder / "x.bin.part").stat().st_size <= kept or kept == 0
    server.behaviour = "good"
    server.ranges.clear()
    assert fetch("x", folder).read_bytes() == CONTENT
    assert names_in(folder) == ["x.bin"]
    assert (server.ranges == [None]) == (not kept)


@pytest.mark.fault(15)
@pytest.mark.parametrize(("allowed", "tries"), [((2, 5), 3), ((2,), 2)])
def test_a_cut_transfer_is_tried_again_and_gone_on_with(
    server, folder, monkeypatch, caplog, waits, allowed, tries
):
    monkeypatch.setattr("datasets.download.fetch.WAITS", allowed)
    server.behaviour = "cut twice"
    if tries == 3:
        assert fetch("x", folder).read_bytes() == CONTENT
    else:
        with pytest.raises(DataError, match="the part that came is kept, try again"):
            fetch("x", folder)
        assert (folder / "x.bin.part").stat().st_size == 2_250_000
    assert server.ranges == [None, "bytes=1500000-", "bytes=2250000-"][:tries]
    said = [record.getMessage() for record in caplog.records]
    assert waits == list(allowed)
    assert [text.rpartition(": ")[2] for text in said] == [
        f"this is done in {wait} seconds" for wait in waits
    ]


@pytest.mark.fault(15)
def test_a_stalled_transfer_is_tried_again(server, folder, monkeypatch, waits):
    monkeypatch.setattr("datasets.download.fetch.WAITS", (2,))
    wait_no_longer(monkeypatch)
    server.behaviour = "stall"
    with pytest.raises(DataError, match=r"timed out.*the part that came is kept"):
        fetch("x", folder)
    assert server.ranges == [None, "bytes=1500000-"]
    assert waits == [2]


@pytest.mark.parametrize("behaviour", ["wrong bytes", "announces more", "redirect /moved/absent"])
def test_what_another_try_would_not_mend_is_not_tried_again(
    server, folder, monkeypatch, caplog, waits, behaviour
):
    monkeypatch.setattr("datasets.download.fetch.WAITS", (2,))
    server.behaviour = behaviour
    with pytest.raises(DataError):
        fetch("x", folder)
    assert not caplog.records
    assert not waits


@pytest.mark.fault(15)
def test_a_server_that_hardly_sends_anything_is_given_up(server, folder, monkeypatch):
    pieces, now = transfer._pieces, [0.0]

    def slow_pieces(raw):
        done = 0
        for piece in pieces(raw):
            now[0] += transfer.WINDOW * (done >= 1_500_000)  # each byte of the second half takes a window
            done += len(piece)
            yield piece

    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(transfer, "_pieces", slow_pieces)
    server.behaviour = "drip"
    message = r"x.bin sends 0 bytes a second; the 1500\d\d\d of 3000000 bytes that came are kept"
    with pytest.raises(DataError, match=message):
        fetch("x", folder)
    assert (folder / "x.bin.part").stat().st_size > 1_500_000
    monkeypatch.setattr(transfer, "_pieces", pieces)
    server.behaviour = "good"
    assert fetch("x", folder).read_bytes() == CONTENT
    assert server.ranges[-1].startswith("bytes=1500")


def test_redirects_that_stay_with_https_are_followed(server, folder):
    server.behaviour = "redirect /moved/x.bin"
    assert fetch("x", folder).read_bytes() == CONTENT
    server.behaviour = f"redirect https://localhost:{server.server_port}/moved/x.bin"
    assert fetch("x", folder / "other").read_bytes() == CONTENT


def test_the_body_of_a_redirect_is_not_read(server, folder):
    server.behaviour = "endless redirect /moved/x.bin"
    assert fetch("x", folder).read_bytes() == CONTENT


def test_a_packed_file_is_not_unpacked_on_its_way(server, folder):
    server.behaviour = "calls it packed"
    assert fetch("x", folder).read_bytes() == CONTENT


@pytest.mark.fault(15)
@pytest.mark.parametrize("behaviour", ["good", "no ranges"])
@pytest.mark.parametrize("size", [0, 1, 2_000_000, 2_999_999, 3_000_000, 3_000_001])
def test_a_partial_download_is_continued(server, folder, behaviour, size):
    folder.mkdir(parents=True)
    (folder / "x.bin.part").write_bytes((CONTENT + b"x")[:size])
    server.behaviour = behaviour
    assert fetch("x", folder).read_bytes() == CONTENT
    asked = f"bytes={size}-" if 0 < size < 3_000_000 else None
    assert server.ranges == ([] if size == 3_000_000 else [asked])


@pytest.mark.fault(15)
@pytest.mark.parametrize("behaviour", ["good", "wrong range"])
def test_a_damaged_beginning_is_not_kept(server, folder, behaviour):
    folder.mkdir(parents=True)
    (folder / "x.bin.part").write_bytes(b"damaged")
    server.behaviour = behaviour
    with pytest.raises(DataError, match=r"expected SHA-256|goes on with 'bytes 8-2999999/3000000', not with"):
        fetch("x", folder)
    server.behaviour = "good"
    assert fetch("x", folder).read_bytes() == CONTENT


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("content", "message"),
    [(CONTENT[:-1], "expected 3000000 bytes, got 2999999;"), (bytes(3_000_000), "expected SHA-256 .*, got ")],
)
def test_another_file_of_that_name_is_an_error_and_stays(server, folder, content, message):
    folder.mkdir(parents=True)
    (folder / "x.bin").write_bytes(content)
    with pytest.raises(DataError, match=f"{message}.* move it away, then it is fetched") as error:
        fetch("x", folder)
    assert error.value.exit_code == 3
    assert (folder / "x.bin").read_bytes() == content
    assert (names_in(folder), server.ranges) == (["x.bin"], [])


def test_a_certificate_that_nobody_trusts_is_refused(server, folder, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(DataError, match="certificate verify failed"):
        fetch("x", folder)
    assert server.ranges == []


def test_only_https_is_spoken():
    for file in (file for entry in DATASETS.values() for file in (*entry.downloads, *entry.verified)):
        assert file.url.startswith("https://")
        assert len(file.sha256) == 64
    with pytest.raises(ValueError, match="is not https"):
        OfficialFile("http://localhost/x", 1, "0" * 64)


@pytest.mark.fault(15)
def test_a_killed_download_is_gone_on_with(server, folder):
    server.behaviour = "stall"
    file = DATASETS["x"].downloads[0]
    code = (
        "import sys; from datasets.catalogue import DATASETS, DataSetEntry\n"
        "from datasets.download import fetch, known_files\n"
        "file = known_files.OfficialFile(sys.argv[1], int(sys.argv[2]), sys.argv[3])\n"
        "DATASETS['x'] = DataSetEntry(loader='', recipe='', downloads=(file,))\n"
        "fetch.fetch('x', sys.argv[4])"
    )
    command = [sys.executable, "-c", code, file.url, str(file.size), file.sha256, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    assert server.halfway.wait(300)
    with pytest.raises(DataError, match="is being downloaded by another process; wait for it"):
        fetch("x", folder)
    while not (folder / "x.bin.part").stat().st_size:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=300)
    assert names_in(folder) == ["x.bin.part"]
    server.behaviour = "good"
    assert fetch("x", folder).read_bytes() == CONTENT
    assert names_in(folder) == ["x.bin"]
    assert server.ranges[-1].startswith("bytes=")


@pytest.mark.fault(15)
def test_the_lock_file_stays_for_whoever_has_it_open(tmp_path):
    with _held(tmp_path / "x.part"):
        first = (tmp_path / "x.part.lock").stat().st_ino
    assert (tmp_path / "x.part.lock").stat().st_ino == first
    with _held(tmp_path / "x.part"):
        assert (tmp_path / "x.part.lock").stat().st_ino == first


def test_a_file_completed_by_another_process_is_used(server, folder, monkeypatch):
    real = _held

    def slow(part):
        fetched.start()
        fetched.join()
        return real(part)

    fetched = threading.Thread(target=lambda: fetch("x", folder))
    monkeypatch.setattr(
        "datasets.download.fetch._held", lambda part: real(part) if fetched.ident else slow(part)
    )
    assert fetch("x", folder).read_bytes() == CONTENT
    assert names_in(folder) == ["x.bin"]
    assert server.ranges == [None]


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="file' is a file; give --download a folder"):
        fetch("x", tmp_path / "file")
    with pytest.raises(StorageError, match="cannot be written .*; choose another folder") as error:
        fetch("x", tmp_path / "file" / "folder")
    assert error.value.exit_code == 6


@pytest.mark.fault(33)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_not_blamed_on_the_server(server, folder):
    folder.mkdir(parents=True)
    (folder / "x.bin.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device"):
        fetch("x", folder)


def test_a_bar_is_shown_only_on_a_terminal(server, folder, monkeypatch, capfd):
    shown = []
    monkeypatch.setattr("rich.progress.Progress.update", lambda bar, task, completed: shown.append(completed))
    fetch("x", folder)
    assert (capfd.readouterr(), shown) == (("", ""), [])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    (folder / "other").mkdir()
    (folder / "other" / "x.bin.part").write_bytes(CONTENT[:100])
    fetch("x", folder / "other")
    assert shown[0] > 100
    assert shown == sorted(shown)
    assert shown[-1] == len(CONTENT)


# the loaders


def test_every_set_with_official_files_can_be_downloaded():
    assert {name for name, entry in DATASETS.items() if entry.downloads} == {"asirra", "cifar10", "mnist"}


def test_loaders_read_what_was_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setenv("SESSIONNET_CACHE", str(tmp_path / "cache"))
    made = write_mnist(tmp_path / "made", mnist_parts())
    files = [server.add(path.name, path.read_bytes()) for path in made.iterdir()]
    change_entry(monkeypatch, "mnist", downloads=tuple(files))
    expected = load_mnist(made, val_fraction=0.0).fingerprint
    assert load_mnist(download=True, val_fraction=0.0).fingerprint == expected
    assert load_splits("mnist", tmp_path / "here", download=True, val_fraction=0.0).fingerprint == expected
    assert names_in(tmp_path / "here") == sorted(file.name for file in files)

    archive = pack(write_binary_batches(tmp_path / "batches", cifar_parts()), tmp_path / "x.tar.gz")
    file = server.add("cifar-10-binary.tar.gz", archive.read_bytes())
    change_entry(monkeypatch, "cifar10", downloads=(file,), verified=(file,))
    assert load_cifar10(download=True).fingerprint == load_cifar10(archive).fingerprint


def test_the_archive_that_earlier_versions_fetched_is_used_where_it_is(server, tmp_path, monkeypatch):
    archive = pack(write_python_batches(tmp_path / "batches", cifar_parts()), tmp_path / "x.tar.gz")
    earlier = server.add("cifar-10-python.tar.gz", archive.read_bytes())
    binary = server.add("cifar-10-binary.tar.gz", b"x")
    change_entry(monkeypatch, "cifar10", downloads=(binary,), verified=(earlier, binary))
    monkeypatch.setitem(EARLIER, "cifar10", earlier)
    assert fetch("cifar10", tmp_path / "new") == tmp_path / "new" / binary.name
    (tmp_path / "old").mkdir()
    archive.rename(tmp_path / "old" / earlier.name)
    server.ranges.clear()
    assert fetch("cifar10", tmp_path / "old") == tmp_path / "old" / earlier.name
    assert load_cifar10(tmp_path / "old", download=True).test.num_examples == 20
    assert server.ranges == []
    (tmp_path / "old" / earlier.name).write_bytes(b"other")
    with pytest.raises(DataError, match="is not the official file"):
        fetch("cifar10", tmp_path / "old")


def test_without_a_path_the_message_says_how_to_give_one():
    for load in (load_asirra, load_cifar10, load_mnist):
        with pytest.raises(OptionError, match="needs the path .*, or fetch them with --download"):
            load()
    with pytest.raises(
        OptionError,
        match="'cifar10' needs the path .*, or fetch them with train.py --data.name cifar10 --download",
    ):
        load_splits("cifar10")
    with pytest.raises(OptionError, match=r"'folder' needs the path [^,]*--data-dir$"):
        load_splits("folder")


# files that the user brought


@pytest.mark.fault(14)
@pytest.mark.parametrize(("data_set", "file"), ARCHIVES, ids=[file.name for _, file in ARCHIVES])
@pytest.mark.parametrize("size", ["wrong", "right"])
def test_an_archive_with_an_official_name_must_be_that_archive(tmp_path, monkeypatch, data_set, file, size):
    content, name = b"something else", file.name
    (tmp_path / name).write_bytes(content)
    if size == "right":
        file = OfficialFile(file.url, len(content), file.sha256)
        change_entry(monkeypatch, data_set, verified=(file,))
    load = load_asirra if name.endswith(".zip") else load_cifar10
    message = r"expected \d+ bytes, got 14;" if size == "wrong" else "expected SHA-256 [0-9a-f]{64}, got "
    with pytest.raises(DataError, match=f"{name}' is not the official file: {message}") as error:
        load(tmp_path / name)
    assert error.value.exit_code == 3
    assert "unpack it and give the folder, or give it another name" in str(error.value)
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.fault(14)
def test_nothing_is_unpacked_before_the_archive_is_compared(tmp_path, monkeypatch):
    monkeypatch.setattr("tarfile.open", lambda *args, **options: pytest.fail("opened"))
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(b"x")
    for path in (archive, tmp_path):
        with pytest.raises(DataError, match="is not the official file"):
            load_cifar10(path)


def test_another_name_or_a_folder_is_not_compared(tmp_path):
    folder = write_python_batches(tmp_path / "cifar-10-batches-py", cifar_parts())
    assert load_cifar10(folder).test.num_examples == 20
    assert load_cifar10(pack(folder, tmp_path / "mine.tar.gz")).test.num_examples == 20
    (tmp_path / "folders" / "cifar-10-python.tar.gz").mkdir(parents=True)
    check_official(tmp_path / "folders" / "cifar-10-python.tar.gz")


def test_a_file_is_hashed_once_as_long_as_it_stays(tmp_path, monkeypatch):
    hashed = []
    real = verification.file_digest
    monkeypatch.setattr(verification, "file_digest", lambda path: hashed.append(path) or real(path))
    path = tmp_path / "x.bin"
    path.write_bytes(CONTENT)
    file = OfficialFile("https://localhost/x.bin", len(CONTENT), real(path))
    change_entry(monkeypatch, "asirra", verified=(file,))
    check_official(path)
    check_official(path)
    assert len(hashed) == 1
    path.write_bytes(bytes(len(CONTENT)))
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="expected SHA-256"):
        check_official(path)
