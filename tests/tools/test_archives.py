"""An interpreter's archive cannot write outside of its folder, whichever Python unpacks it."""

from __future__ import annotations

import io
import tarfile
import unittest

from tools.build.installation import _refuse_escapes

FILE, FOLDER, SYMLINK, HARD_LINK, DEVICE = (
    tarfile.REGTYPE,
    tarfile.DIRTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.CHRTYPE,
)


def archive(*members: tuple[str, bytes, str]) -> tarfile.TarFile:
    """Return an archive with members of a name, a type and a target."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as file:
        for name, kind, target in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            file.addfile(member)
    data.seek(0)
    return tarfile.open(fileobj=data)


class Archives(unittest.TestCase):
    """The rules for a Python whose `tarfile` has no filters."""

    def test_ordinary_links_are_accepted(self) -> None:
        with archive(
            ("./python/bin", FOLDER, ""),
            ("python/bin/python3.13", FILE, ""),
            ("python/bin/python3", SYMLINK, "python3.13"),
            ("python/lib/libpython.so", SYMLINK, "../bin/python3.13"),
            ("python/bin/python", HARD_LINK, "python/bin/python3.13"),
            ("python/share/a", SYMLINK, "./b"),
        ) as file:
            _refuse_escapes(file)

    def test_what_leads_outside_is_refused(self) -> None:
        cases: list[list[tuple[str, bytes, str]]] = [
            [("/etc/a", FILE, "")],
            [("../a", FILE, "")],
            [("python/../../a", FILE, "")],
            [("a", SYMLINK, "/etc")],
            [("a", SYMLINK, "..")],
            [("python/a", SYMLINK, "../../b")],
            [("a", HARD_LINK, "../b")],
            [("python/a", HARD_LINK, "../b")],
            [("a", SYMLINK, "b/../../c")],
            [("a", SYMLINK, "b"), ("a/c", FILE, "")],
            [("a/b", SYMLINK, ".."), ("a/b/c", SYMLINK, "../x")],
            [("./a/b", SYMLINK, ".."), ("a/./b/c", FILE, "")],
            [("a/b", SYMLINK, ".."), ("c", SYMLINK, "a/b/..")],
        ]
        for members in cases:
            message = "outside of the folder"
            with self.subTest(members), self.assertRaisesRegex(tarfile.ExtractError, message):
                _refuse_escapes(archive(*members))

    def test_devices_are_refused(self) -> None:
        with self.assertRaisesRegex(tarfile.ExtractError, "neither a file, a folder nor a link"):
            _refuse_escapes(archive(("python/null", DEVICE, "")))


if __name__ == "__main__":
    unittest.main()
