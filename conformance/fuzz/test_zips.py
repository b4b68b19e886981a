"""Damaged and hostile zips, as the emulator unpacks them and `make verify-layer` checks them."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tempfile
import warnings
import zipfile
from pathlib import Path

from hypothesis import strategies as st
from lambda_emulator.deployment.unpacking import DeploymentError, unpack, unpacked_size

from conformance.fuzz.mutations import mutated
from conformance.fuzz.properties import holds_for
from tools.build import checks, listing
from tools.build.checks import Target, Upload
from tools.build.errors import ToolError
from tools.build.zips import Archive

NAMES = st.one_of(
    st.sampled_from(
        [
            *(
                "a.py",
                "a/b.py",
                "a",
                "a/",
                "a/b",
                "..",
                "../outside",
                "/outside",
                "a/../../outside",
                "./a",
                "a//b",
            ),
            *(
                ".",
                "./",
                "",
                "/",
                "\\",
                "..\\outside",
                "C:\\outside",
                "a\0b",
                "link",
                "link/x",
                "link/../x",
                "é/中",
            ),
            *("x" * 300, "/".join("d" * 2000), "bin/python3.13", "python/a.dist-info/METADATA", "lib/x.so"),
            *(
                "python/lib/python3.13/site-packages/a/__pycache__/a.cpython-313.pyc",
                "python/a.dist-info/RECORD",
            ),
            *("requirements.txt", ".env", "id_rsa", "bootstrap", "python/x.pth", "template.yaml", "aws.pem"),
        ]
    ),
    st.text(st.characters(codec="utf-8"), max_size=10),
)
MODES = st.sampled_from(
    [
        *(0, 0o644, 0o755, stat.S_IFREG | 0o644, stat.S_IFREG | 0o4777, stat.S_IFREG, 0o177777),
        *(stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o600),
    ]
)
CONTENTS = st.one_of(
    st.sampled_from(
        [
            *(b"", b"..", b"../..", b"/", b"../outside", b"a", b"link", b"x" * 5000, b"a\0b", b"\xff\xfe"),
            *(
                b"\x7fELF",
                b"\x7fELF\x02\x01\x01" + bytes(60),
                b"#!/usr/bin/python3\r\n",
                b"import a.b\nimport c",
            ),
            *(
                b"Metadata-Version: 2.1\nName: a\nVersion: 1\nRequires-Dist: b (>=x\n",
                b'a.py,sha256=x,1\n,,\n"',
            ),
            *(b"\xa7\r\r\n" + bytes(12), b"AKIAIOSFODNN7EXAMPLE", b"-----BEGIN PRIVATE KEY-----"),
        ]
    ),
    st.binary(max_size=60),
)
ENTRIES = st.lists(st.tuples(NAMES, MODES, CONTENTS, st.sampled_from([0, 3, 10]), st.booleans()), max_size=5)


def pack(entries: list[tuple[str, int, bytes, int, bool]]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore")  # duplicate names
        for name, mode, content, system, compressed in entries:
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            entry.create_system, entry.external_attr = system, mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return file.getvalue()


ZIPS = ENTRIES.map(pack)
INPUTS = st.one_of(ZIPS, mutated(ZIPS), st.binary(max_size=100))


class Place:
    """A folder for a zip and a folder to unpack it to, with a file outside that nothing may change."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.zip, self.target = self.folder / "x.zip", self.folder / "target"
        self.target.mkdir()
        (self.folder / "outside").write_text("untouched")

    def outside(self) -> list[str]:
        assert (self.folder / "outside").read_text() == "untouched"
        return sorted(os.listdir(self.folder))

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.folder)


@holds_for(st.lists(INPUTS, min_size=1, max_size=2), cost=5)
def test_a_zip_is_unpacked_inside_its_folder_or_refused(zips: list[bytes]) -> None:
    with Place() as place:
        for data in zips:
            place.zip.write_bytes(data)
            for step in (lambda: unpacked_size(place.zip), lambda: unpack(place.zip, place.target)):
                try:
                    step()
                except DeploymentError as error:
                    assert str(place.zip) in str(error)
        assert place.outside() == ["outside", "target", "x.zip"]


@holds_for(st.lists(INPUTS, min_size=1, max_size=2), cost=5)
def test_a_zip_is_checked_or_refused(zips: list[bytes]) -> None:
    with Place() as place:
        archives = []
        try:
            for number, data in enumerate(zips):
                path = place.folder / f"{number}.zip"
                path.write_bytes(data)
                archives.append(Archive(path))
            upload = Upload(archives, Target(defaults=None))
            findings = checks.check(upload)
            listing.findings_text(findings, io.StringIO(), shown=3, several=True)
            listing.sizes_text(archives)
        except ToolError as error:
            assert str(error)
        finally:
            for archive in archives:
                archive.__exit__(None, None, None)
