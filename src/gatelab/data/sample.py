"""A generated table of short reviews whose label depends on word order and on a cue some words back.

Every review holds one praising and one blaming phrase, and a connective decides which of the two counts: in "A, but B"
it is B, in "A, although B" it is A. Swapping the two phrases flips the label and keeps the words. No phrase stands next
to a connective, so single words and pairs of them say nothing about the label; reading from left to right says all.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from gatelab.errors import DataError
from gatelab.files import replacing

T = TypeVar("T")

PRAISE = ("wonderful", "excellent", "superb", "brilliant", "lovely", "outstanding", "a delight", "a pleasure")
BLAME = ("terrible", "awful", "dreadful", "disappointing", "annoying", "poor", "a letdown", "a disaster")

MIN_ROWS, MAX_ROWS = 20, 1_000_000  # there are over 200 million reviews, so drawing until all differ ends soon
MAX_GAP = 1000


def write_sample(path: str | Path, *, num_rows: int = 4000, gap: int = 4, seed: int = 141) -> None:
    """Write a CSV with the columns text and label (negative, positive), as many of the one as of the other.

    gap is how many words of neutral filler stand between the cue and the end: both phrases and their connective come
    first, then sentences of exactly gap words in all. With the same seed another gap changes nothing but these.
    The same arguments give the same bytes on every platform; an odd num_rows gives one more negative.
    Raises DataError for num_rows outside 20 to 1,000,000 and for gap outside 0 to 1000.
    """
    check_range("data.num_rows", num_rows, MIN_ROWS, MAX_ROWS)
    check_range("data.gap", gap, 0, MAX_GAP)
    random, filler_random = Random(f"reviews {seed}"), Random(f"filler {seed}")
    labels = ["positive" if row % 2 else "negative" for row in range(num_rows)]
    labels.sort(key=lambda _: random.random())
    written: set[str] = set()
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["text", "label"])
    for label in labels:
        review = draw_review(label, random)
        while review in written:
            review = draw_review(label, random)
        written.add(review)
        writer.writerow([review + draw_filler(gap, filler_random), label])
    with replacing(Path(path)) as file:
        file.write(table.getvalue().encode())


class Pattern(NamedTuple):
    """A sentence of two clauses, which of them (1 or 2) decides, and whether both speak of the same thing."""

    sentence: str
    decisive: int
    same_thing: bool = False


# The second clause decides more often than the first. A network that has learnt to trust what came last has a
# foothold for learning the rest; words out of order gain nothing by it.
PATTERNS = (
    Pattern("{first}, but {second}.", 2),
    Pattern("{first}, and yet {second}.", 2),
    Pattern("{first}; all the same, {second}.", 2),
    Pattern("Although {first}, {second}.", 2),
    Pattern("Even though {first}, {second}.", 2),
    Pattern("Granted, {first}; still, {second}.", 2),
    Pattern("It is not true that {first}, as everyone claimed: {second}.", 2, same_thing=True),
    Pattern("I had expected that {first}, and found that {second}.", 2, same_thing=True),
    Pattern("Instead of finding that {first}, I found that {second}.", 2, same_thing=True),
    Pattern("{first}, although {second}.", 1),
    Pattern("{first}, even though {second}.", 1),
    Pattern("I found that {first}, where I had expected that {second}.", 1, same_thing=True),
    Pattern("I found that {first}, instead of finding that {second}.", 1, same_thing=True),
)

# How the review opens, and the things it may speak of.
TOPICS = (
    ("I saw this film", ("acting", "story", "music", "ending", "camera work")),
    ("I ate at this restaurant", ("soup", "service", "wine", "dessert", "music")),
    ("I bought this phone", ("screen", "battery", "camera", "keyboard", "sound")),
    ("I stayed at this hotel", ("room", "bed", "breakfast", "view", "service")),
    ("I read this book", ("plot", "story", "style", "dialogue", "ending")),
    ("I went to this concert", ("band", "sound", "singer", "hall", "view")),
)
WHENS = ("on Monday", "on Friday", "last week", "last month", "in June", "yesterday")
VERBS = ("was", "seemed", "felt")
# Stands after every phrase, whatever comes next, so that no phrase touches a connective.
MANNERS = ("from the start", "on the whole", "most of the time", "in the end", "this time", "throughout")

# Sentences that say nothing about the thing, by their number of words.
FILLER = {
    1: ("Anyway.", "So."),
    2: ("Well then.", "So there."),
    3: ("It was raining.", "We came early.", "My cousin drove.", "We left late.", "It was crowded."),
    4: (
        "My sister came along.",
        "It was raining outside.",
        "We took the bus.",
        "The street was quiet.",
        "My cousin lives nearby.",
        "We left before ten.",
    ),
    5: (
        "My cousin came along too.",
        "We took the bus home.",
        "It was raining all day.",
        "We were four that evening.",
        "My sister lives around here.",
        "The street was being repaired.",
    ),
}


def check_range(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise DataError(f"{key}={value}: must be from {low} to {high}.")


def draw_review(label: str, random: Random) -> str:
    """The opening and the two clauses, all drawn without regard to the label but for the order of the phrases."""
    pattern = draw(PATTERNS, random)
    praise, blame = draw(PRAISE, random), draw(BLAME, random)
    praise_first = (label == "positive") == (pattern.decisive == 1)
    opening, things = draw(TOPICS, random)
    first_thing = draw(things, random)
    second_thing = first_thing if pattern.same_thing else draw([it for it in things if it != first_thing], random)
    sentence = pattern.sentence.format(
        first=draw_clause(first_thing, praise if praise_first else blame, random),
        second=draw_clause(second_thing, blame if praise_first else praise, random),
    )
    return f"{opening} {draw(WHENS, random)}. {sentence[0].upper()}{sentence[1:]}"


def draw_clause(thing: str, phrase: str, random: Random) -> str:
    return f"the {thing} {draw(VERBS, random)} {phrase} {draw(MANNERS, random)}"


def draw_filler(num_words: int, random: Random) -> str:
    """Sentences of exactly num_words words together, each with a space before it."""
    filler = ""
    while num_words:
        # One or two words are left over only where there was no more to begin with.
        fitting = [words for words in (3, 4, 5) if words == num_words or num_words - words >= 3] or [num_words]
        words = draw(fitting, random)
        filler += " " + draw(FILLER[words], random)
        num_words -= words
    return filler


def draw(choices: Sequence[T], random: Random) -> T:
    """As random.choice, by the one method that Python promises never to change."""
    return choices[int(random.random() * len(choices))]
