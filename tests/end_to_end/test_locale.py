"""Names beyond ASCII where the locale says that there are none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

OLD = Path(__file__).parents[1] / "runs" / "made_before" / "old" / "efe8cbbc26"
COMMANDS = """
from gatelab.cli import app
from gatelab.screen import tolerate_streams
tolerate_streams()
for words in (["runs"], ["show", "latest"], ["compare", "läufe_一", "--csv", "-"], ["data", "評論.csv"]):
    assert not app([*words, *(["--output-dir", "Ausgänge"] if words[0] != "data" else [])], standalone_mode=False)
"""


def test_the_posix_locale_takes_and_shows_names_beyond_ascii(tmp_path: Path) -> None:
    run = shutil.copytree(OLD, tmp_path / "Ausgänge" / "läufe_一" / OLD.name)
    record = (run / "run.json").read_text(encoding="utf-8")
    (run / "run.json").write_text(record.replace('"name": "old"', '"name": "läufe_一"'), encoding="utf-8")
    (tmp_path / "評論.csv").write_text(
        "texte,étiquette\n" + "".join(f"très bon {n},{'übel' if n % 2 else 'gut'}\n" for n in range(40)),
        encoding="utf-8",
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS], cwd=tmp_path, env={**environment, "LC_ALL": "POSIX"}, capture_output=True
    )
    shown = done.stdout.decode()
    assert done.returncode == 0, shown + done.stderr.decode()
    assert "│ läufe_一 │ efe8cbbc26 │" in shown
    assert "Ausgänge/läufe_一/efe8cbbc26" in shown
    assert "taken as   text 'texte', label 'étiquette'" in shown
