"""A table whose texts and class names mean harm to a page, and a small run on it."""

import csv
import random
from pathlib import Path

from commands import gatelab, the_run

CLASSES = ("<b>bad</b>", "good\u202eevil", "'so' \"so\"")
WORDS = (("awful", "poor", "sad"), ("great", "fine", "lovely"), ("plain", "usual", "okay"))
HOSTILE = (
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "<svg/onload=window.hacked=1>{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u202c \u200b\u2066hidden\u2069",
    "x" * 10_000,
    "Z" + "\u0351\u036b\u0343\u036a" * 30 + " $x_{$ \\frac",
    "=cmd|' /C calc'!A0 & javascript:alert(1) <!-- -->",
    "العربية و עברית 日本語 👩\u200d👩\u200d👧",
)


def train_hostile(folder: Path, cache_dir: Path) -> Path:
    """The folder of a finished run on 300 rows of three classes; a fifth of the labels are drawn, one row has no text."""
    draw = random.Random(3)
    with open(folder / "hostile.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number in range(300):
            said = draw.randrange(3)
            words = " ".join(draw.choice(WORDS[said]) for _ in range(draw.randint(1, 12)))
            label = said if draw.random() < 0.8 else draw.randrange(3)
            writer.writerow([f"{words} {number} {HOSTILE[number % len(HOSTILE)]}", CLASSES[label]])
        writer.writerow(["", CLASSES[0]])
    arguments = ["data=csv", "data.path=hostile.csv", f"data.cache_dir={cache_dir}", "trainer.max_epochs=3"]
    small = ["encoder.hidden_size=8", "model.embedding_size=8", "data.batch_size=8", "trainer.log_every_n_steps=5"]
    gatelab("train", *arguments, *small, "data.split.test=0.4", "optimizer.lr=0.02", "tracker=none", cwd=folder)
    return the_run(folder)
