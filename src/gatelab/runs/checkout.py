"""Git's answers about a checkout that may be somebody else's: nothing runs that its configuration, attributes or hooks name.

Git is asked through a repository of our own, which borrows the checkout's objects, index and ignore rules. What stands in
the checkout's .git, such as core.fsmonitor, filters, hooks, external diffs and promisor remotes, is not read for these questions; the
user's own ~/.gitconfig is.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gatelab.bounded import MIB, copy_file

SECONDS = 10  # that git may take
MAX_COPIED_BYTES = 512 * MIB  # of its index, which then lists some five million files
OFF = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.untrackedCache=false", "protocol.allow=never")
# What a checkout may say of how its files lie on the disk: single words, which run nothing.
KEPT = r"^core\.(autocrlf|eol|filemode|ignorecase|precomposeunicode|symlinks)$"


class Checkout:
    """top: the folder that holds .git; commit: that of HEAD."""

    def __init__(self, top: Path, commit: str, git_dir: Path, environment: dict[str, str]) -> None:
        self.top, self.commit = top, commit
        self._git_dir, self._environment = git_dir, environment

    def git(self, *arguments: str, input: str | None = None) -> str:
        """What git prints. Raises OSError or subprocess.SubprocessError where it fails or takes too long."""
        off = [word for setting in OFF for word in ("-c", setting)]
        places = [f"--git-dir={self._git_dir}", f"--work-tree={self.top}"]
        return output(["git", "-C", str(self.top), *off, *places, *arguments], self._environment, input)

    def changed(self) -> bool:
        """Whether files differ from the commit, or are not tracked; of a submodule its commit counts, not its files."""
        return bool(self.git("status", "--porcelain", "--ignore-submodules=dirty").strip())

    def diff(self, *paths: str) -> str:
        """How tracked files differ from the commit, as they lie there."""
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=dirty")
        return self.git("diff", *plain, "HEAD", "--", *paths)


@contextmanager
def checkout_of(folder: Path) -> Iterator[Checkout]:
    """The checkout that holds folder; its index stays as it is. Raises OSError or subprocess.SubprocessError where there is none,
    it has no commit, or git does not trust who owns it."""
    folder = folder.resolve()
    top = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)
    if top is None:
        raise FileNotFoundError(folder)
    environment = {name: value for name, value in os.environ.items() if not re.match("GIT_(?!CONFIG)", name)}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    paths = [word for name in ("objects", "index", "info/exclude") for word in ("--git-path", name)]
    found = output(["git", "-C", str(top), "rev-parse", "--show-object-format", *paths, "HEAD"], environment)
    if found.count("\n") != 5:
        raise FileNotFoundError(f"{top}: a path with a line feed in it")
    kind, objects, index, exclude, commit = found.splitlines()
    with tempfile.TemporaryDirectory() as scratch:
        git_dir = Path(scratch)
        for name in ("objects", "refs", "info"):
            (git_dir / name).mkdir()
        (git_dir / "HEAD").write_text(f"{commit}\n", encoding="utf-8")
        (git_dir / "config").write_text(configuration(top, kind, environment), encoding="utf-8")
        copies = {top / index: "index", top / exclude: "info/exclude"}
        copies |= {file: file.name for file in sorted((top / index).parent.glob("sharedindex.*"))}
        left = MAX_COPIED_BYTES
        for place, copy in copies.items():
            with suppress(FileNotFoundError, NotADirectoryError):
                left -= copy_file(
                    place, git_dir / copy, left
                )  # with its time, by which git tells what may have changed since
        yield Checkout(top, commit, git_dir, {**environment, "GIT_OBJECT_DIRECTORY": str(top / objects)})


def configuration(top: Path, object_format: str, environment: dict[str, str]) -> str:
    command = ["git", "-C", str(top), "config", "--get-regexp", KEPT]
    try:
        lines = output(command, environment).splitlines()
    except subprocess.CalledProcessError:  # none is set
        lines = []
    kept = [f"{key.split('.')[1]} = {value}" for key, _, value in (line.partition(" ") for line in lines)]
    kept = [line for line in kept if re.fullmatch(r"\w+ = \w+", line)]
    head = ["[extensions]", f"objectformat = {object_format}", "[core]", "repositoryformatversion = 1", "bare = false"]
    return "\n".join([*head, *kept, ""])


def output(command: list[str], environment: dict[str, str], input: str | None = None) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, encoding="utf-8", errors="surrogateescape", timeout=SECONDS,
        env=environment, input=input,
    ).stdout  # fmt: skip
