"""Check the places, sizes and modes of the files in a zip."""

from __future__ import annotations

import posixpath
import re
import stat
from collections import Counter
from pathlib import PurePosixPath

from tools.build import elf
from tools.build.checks.finding import ERROR, WARNING, Finding, within
from tools.build.checks.upload import link_place
from tools.build.lambda_os import OWN_FOLDERS, SCRIPT_INTERPRETERS, UNZIPPED_LIMIT, ZIPPED_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.build.checks.upload import File, Upload
    from tools.build.zips import Archive, Member

ADDED_BY_MACOS = "__MACOSX/"
NAME_LIMIT_BYTES = 255  # NAME_MAX
ENTER = stat.S_IROTH | stat.S_IXOTH  # for others than the folder's owner
SHELL = re.compile(rb"#!\s*\S*[/ ](ba|da|a|k|z)?sh\b")  # /bin/sh, /usr/bin/env bash
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LAYER_FOLDERS = ("python/", "bin/", "lib/", "extensions/")
SAVE_WITH_LF = "Save it with LF (git: `* text=auto eol=lf` in .gitattributes)."
IN_PACKAGE = "lambda_runtime/bootstrap"  # which AWS_LAMBDA_EXEC_WRAPPER may name; some tools remove its mode
MODULES = (".py", ".pyc", ".so")
AT_THE_ROOT = (
    "The root of a layer contains python/, bin/, lib/, extensions/ or bootstrap; "
    "that of a function contains its modules."
)


def check(upload: Upload) -> Iterator[Finding]:
    for archive in upload.archives:
        yield from within(archive, _archive(upload, archive))
    for file in upload.files:
        yield from within(file.archive, _modes(file))
        yield from within(file.archive, _script(file))
    for file in upload.linked_files:
        yield from within(file.archive, _linked(file))
    yield from _size(upload)


def _archive(upload: Upload, archive: Archive) -> Iterator[Finding]:
    yield from _names(archive)
    yield from _bootstrap_place(archive) or _root(archive)
    yield from _folders(archive)
    if not upload.is_too_large:
        yield from _links(upload, archive)
    yield from _zipped_size(archive)


def is_program(file: File) -> bool:
    """Return whether a file will be executed; bin may contain other files beside programs."""
    return _is_program_as(file.name, file)


def _is_program_as(name: str, file: File) -> bool:
    folder = posixpath.dirname(name)
    if name == "bootstrap" or folder == "extensions" or name.endswith(IN_PACKAGE):
        return True
    return folder == "bin" and (file.elf is not None or file.head(2) == b"#!") and ".so" not in name


def _names(archive: Archive) -> Iterator[Finding]:
    for name, count in Counter(archive.names).items():
        if count > 1:
            remedy = "Build the zip from an empty folder, not on top of an old zip."
            yield Finding(ERROR, "twice", name, f"is in the zip {count} times", remedy)
        if not name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
            problem = "is not a relative path with forward slashes"
            yield Finding(
                ERROR,
                "name",
                name or "a file without a name",
                problem,
                "Create the zip from inside the folder.",
            )
    for name, member in archive.members.items():
        if member.obstacle:
            remedy = "Build the zip with stored or deflated files and without a password."
            yield Finding(ERROR, "compression", name, member.obstacle, remedy)
        yield from _file(archive, name, member)


def _file(archive: Archive, name: str, member: Member) -> Iterator[Finding]:
    """Check that a file can be unpacked where it is, and what kind of file it is."""
    if max(map(len, name.encode("utf-8", "replace").split(b"/"))) > NAME_LIMIT_BYTES:
        problem = f"has a name of more than {NAME_LIMIT_BYTES} bytes, which Linux does not allow"
        yield Finding(ERROR, "name", f"{name[:60]}…", problem, "Rename it.")
    for parent in map(str, PurePosixPath(name).parents):
        if parent in archive.members:
            problem = f"is below {parent}, which is not a folder in this zip"
            yield Finding(ERROR, "name", name, problem, "Rename one of them.")
    if stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
        yield Finding(ERROR, "device", name, "is a device, a pipe or a socket", "Leave it out.")
    elif member.mode & (stat.S_ISUID | stat.S_ISGID):
        problem = "has the setuid or setgid bit, which has no effect on Lambda"
        yield Finding(WARNING, "mode", name, problem, "Use chmod 755 before zipping.")


def _bootstrap_place(archive: Archive) -> list[Finding]:
    """Check that bootstrap is at the root: Lambda does not search below /var/task and /opt."""
    if "bootstrap" in archive.members:
        return []
    folder = _only_folder(archive)
    if f"{folder}/bootstrap" in archive.members:
        remedy = f"Create the zip from inside {folder}/."
        problem = "is not at the root of the zip"
        return [Finding(ERROR, "bootstrap", f"{folder}/bootstrap", problem, remedy)]
    if "runtime/lambda_runtime/main.py" in archive.members:
        remedy = "Add the runtime's bootstrap beside runtime/."
        problem = "is missing, but Lambda needs it to start the runtime"
        return [Finding(ERROR, "bootstrap", "bootstrap", problem, remedy)]
    return []


def _root(archive: Archive) -> Iterator[Finding]:
    """Check that the zip has files where Lambda or Python looks, and not in an extra folder."""
    name = archive.path.name
    if not archive.members:
        yield Finding(
            ERROR, "empty", name, "is empty", f"Create the zip from inside the folder. {AT_THE_ROOT}"
        )
    if not archive.members or any(_is_found(archive, one) for one in archive.members):
        return
    folder = _only_folder(archive)
    remedy = f"Create the zip from inside {folder}/. {AT_THE_ROOT}" if folder else AT_THE_ROOT
    below = [one[len(folder) + 1 :] for one in archive.members if folder and one.startswith(f"{folder}/")]
    modules = [one for one in below if "/" not in one and one.endswith(MODULES)]
    installed = any(one.partition("/")[0].endswith(".dist-info") for one in below)
    if installed or (not modules and any(one.startswith(LAYER_FOLDERS) for one in below)):
        yield Finding(
            ERROR, "root", name, f"has everything in {folder}/, where neither Lambda nor Python looks", remedy
        )
    else:
        problem = "has nothing at its root that Lambda or Python looks for"
        yield Finding(WARNING, "root", name, problem, remedy)


def _is_found(archive: Archive, name: str) -> bool:
    """Return whether Lambda looks for it, or Python can import it by a name without a dot."""
    top, _, rest = name.partition("/")
    if not rest:
        return name == "bootstrap" or name.endswith(MODULES)
    is_package = any(f"{top}/__init__{ending}" in archive.members for ending in MODULES)
    return name.startswith(LAYER_FOLDERS) or is_package


def _only_folder(archive: Archive) -> str:
    """Return the folder that contains everything in the zip, or ""."""
    names = [name for name in archive.members if not name.startswith(ADDED_BY_MACOS)]
    tops = {name.partition("/")[0] for name in names if "/" in name}
    return tops.pop() if len(tops) == 1 and all("/" in name for name in names) else ""


def _folders(archive: Archive) -> Iterator[Finding]:
    for folder in archive.folders:
        if folder.mode & ENTER != ENTER:
            problem = f"has mode {folder.mode & 0o777:o}, so Lambda's user cannot open it"
            yield Finding(ERROR, "unreadable", folder.name, problem, "Use chmod 755 before zipping.")


def _modes(file: File) -> Iterator[Finding]:
    if not file.member.is_readable:
        problem = f"has mode {file.member.mode & 0o777:o}, so Lambda's user cannot read it"
        remedy = f"Use chmod {'755' if is_program(file) else '644'} before zipping."
        yield Finding(ERROR, "unreadable", file.name, problem, remedy)
    elif is_program(file) and not file.member.is_executable:
        remedy = "Use chmod 755 before zipping, and zip on Linux or macOS."
        yield Finding(ERROR, "mode", file.name, "is not executable", remedy)


def _script(file: File) -> Iterator[Finding]:
    """Check that Linux can execute a program: ELF, or a script whose first line names an interpreter."""
    if not is_program(file) or file.elf is not None:
        return
    head = file.head(4096)
    if head.startswith(BYTE_ORDER_MARK):
        problem = "begins with a byte order mark, so Linux does not see its #!"
        yield Finding(ERROR, "script", file.name, problem, "Save it as UTF-8 without a byte order mark.")
    elif not head.startswith(b"#!"):
        if not elf.is_elf(head):
            remedy = "Begin it with #!/usr/bin/env python3, or compile it for Linux."
            yield Finding(ERROR, "script", file.name, "is neither a script nor a program for Linux", remedy)
    else:
        first, _, _ = head.partition(b"\n")
        if first.endswith(b"\r"):
            problem = "has Windows line endings (CR LF), so Linux does not find its interpreter"
            yield Finding(ERROR, "line-ends", file.name, problem, SAVE_WITH_LF)
        elif SHELL.match(first) and b"\r\n" in file.read():
            problem = "has Windows line endings (CR LF), and the shell treats CR as a part of each line"
            yield Finding(ERROR, "line-ends", file.name, problem, SAVE_WITH_LF)
        interpreter = first[2:].decode("utf-8", "replace").split()[:1]
        if interpreter and not _is_on_lambda(interpreter[0]):
            problem = f"needs the interpreter {interpreter[0]}, which Lambda does not have"
            yield Finding(ERROR, "shebang", file.name, problem, "Begin it with #!/usr/bin/env python3.")


def _linked(link: File) -> Iterator[Finding]:
    """Check a file that is executed through a link, and is not checked as a program itself."""
    if _is_program_as(link.name, link) and not _is_program_as(link.member.name, link):
        for finding in (*_modes(link), *_script(link)):
            finding.problem = f"is a link to {link.member.name}, which {finding.problem}"
            yield finding


def _is_on_lambda(interpreter: str) -> bool:
    return interpreter in SCRIPT_INTERPRETERS or interpreter.startswith(
        tuple(f"{one}/" for one in OWN_FOLDERS)
    )


def _links(upload: Upload, archive: Archive) -> Iterator[Finding]:
    """Check that symbolic links lead to files in this zip or another one."""
    everything = set(upload.names)
    folders = {str(folder) for name in everything for folder in PurePosixPath(name).parents}
    for name, member in archive.members.items():
        if not member.is_link or member.obstacle:
            continue
        place, passed = link_place(archive, name), {name}
        while place in archive.members and archive.members[place].is_link and place not in passed:
            passed.add(place)
            place = link_place(archive, place)
        if place in passed:
            problem = f"is a link that leads to itself, by {', '.join(sorted(passed))}"
            yield Finding(ERROR, "link", name, problem, "Replace the link by the file itself.")
        elif place not in everything and place not in folders:
            remedy = "Replace the link by the file itself, or use a relative link."
            target = archive.read(name).decode("utf-8", "replace")
            yield Finding(ERROR, "link", name, f"is a link to {target}, which is not in the zip", remedy)


def _zipped_size(archive: Archive) -> Iterator[Finding]:
    if archive.size > ZIPPED_LIMIT:
        problem = (
            f"has {_megabytes(archive.size)}, but Lambda accepts only {_megabytes(ZIPPED_LIMIT)} directly"
        )
        yield Finding(WARNING, "zipped-size", archive.path.name, problem, "Upload it through S3.")


def _size(upload: Upload) -> Iterator[Finding]:
    if upload.is_too_large:
        names = ", ".join(archive.path.name for archive in upload.archives)
        size, limit = _megabytes(upload.unzipped_size), _megabytes(UNZIPPED_LIMIT)
        problem = f"unzipped: {size}, but Lambda allows {limit} in total"
        remedy = "Leave out packages that the function does not import, or use a container image."
        yield Finding(ERROR, "size", names, problem, remedy)


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB"
