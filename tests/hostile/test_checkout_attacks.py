"""Git runs nothing that the checkout of somebody else names, and its answers are right nevertheless."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack import WORKS, describe_checkout

from gatelab.runs.checkout import checkout_of

# How a checkout comes to run ./w.sh; a.py has changed by then, and new.py is not tracked.
CHECKOUTS = {
    "fsmonitor": "git config core.fsmonitor $PWD/w.sh",
    "fsmonitor, included": "printf '[core]\\n fsmonitor = ./w.sh' > inc; git config include.path $PWD/inc",
    "an external diff": "git config diff.external $PWD/w.sh",
    "a diff driver": "echo '*.py diff=evil' > .gitattributes; git config diff.evil.command $PWD/w.sh",
    "textconv": "echo '*.py diff=evil' > .gitattributes; git config diff.evil.textconv $PWD/w.sh",
    "a filter": "echo '*.py filter=evil' > .gitattributes; git config filter.evil.clean $PWD/w.sh",
    "a filter process": "echo '*.py filter=evil' > .gitattributes; git config filter.evil.process $PWD/w.sh",
    "a filter of .git/info": "echo '*.py filter=evil' > .git/info/attributes; git config filter.evil.clean $PWD/w.sh",
    "a folder of hooks": "mkdir h; cp w.sh h/post-index-change; git config core.hooksPath $PWD/h",
    "a hook": "cp w.sh .git/hooks/post-index-change",
    "a pager": "git config core.pager $PWD/w.sh; git config pager.diff true; git config pager.status true",
    "aliases": "git config alias.diff '!./w.sh'; git config alias.status '!./w.sh'",
    "another .git": "mv .git real; echo 'gitdir: real' > .git; git config core.fsmonitor $PWD/w.sh",
    "a link to an endless device": "ln -s /dev/zero zero",
    "another work tree": "git config core.worktree /",
    "a submodule's fsmonitor": "$SUBMODULE; git -C s config core.fsmonitor $PWD/w.sh; echo 2 > s/b.py",
    "a submodule's filter": "$SUBMODULE; echo '*.py filter=evil' > s/.git/info/attributes; git -C s config filter.evil.clean $PWD/w.sh; echo 2 > s/b.py",
}
BEFORE = (
    "git init -q; echo 1 > a.py; printf '#!/bin/sh\\ntouch $PWD/canary\\ncat\\n' > w.sh; chmod +x w.sh; git add -A; $COMMIT; "
    "echo 2 > a.py; echo 3 > new.py; "
)
COMMIT = "git -c user.name=a -c user.email=a@localhost commit -qm x"
SUBMODULE = f"git init -q s; (cd s; echo 1 > b.py; git add -A; {COMMIT}); git -c advice.addEmbeddedRepo=false add s; {COMMIT} -- s"


@pytest.mark.parametrize("name", CHECKOUTS)
def test_a_checkout_is_described_and_runs_nothing(name: str, tmp_path: Path, attack: Callable[..., Any]) -> None:
    script = (BEFORE + CHECKOUTS[name]).replace("$SUBMODULE", SUBMODULE).replace("$COMMIT", COMMIT)
    subprocess.run(["sh", "-ec", script.replace("$PWD/canary", f"{tmp_path}/canary")], cwd=tmp_path, check=True)
    (tmp_path / "canary").unlink(missing_ok=True)
    text = attack(WORKS, describe_checkout).text
    assert f"top {tmp_path} dirty True" in text
    for line in ("-1\n+2\n", "+++ b/new.py", "+3\n"):
        assert line in text


ENDLESS = ["ln -sf /dev/zero .git/index", "mkfifo .git/sharedindex.a", "truncate -s 1T .git/sharedindex.a"]


@pytest.mark.parametrize("script", ENDLESS)
def test_an_index_that_never_ends_is_not_copied(script: str, tmp_path: Path) -> None:
    subprocess.run(["sh", "-ec", BEFORE.replace("$COMMIT", COMMIT) + script], cwd=tmp_path, check=True)
    with pytest.raises(OSError, match=r"is a device|is a FIFO|is larger than"), checkout_of(tmp_path):
        pass


def test_a_repository_whose_objects_are_elsewhere_fetches_none(tmp_path: Path, attack: Callable[..., Any]) -> None:
    promisor = (
        "git config remote.origin.url ssh://x/y; git config remote.origin.promisor true; git config core.sshCommand ./w.sh; "
        "git config core.repositoryformatversion 1; git config extensions.partialClone origin; rm -rf .git/objects/??"
    )
    subprocess.run(["sh", "-ec", BEFORE.replace("$COMMIT", COMMIT) + promisor], cwd=tmp_path, check=True)
    assert "no answer" in attack(WORKS, describe_checkout).text
