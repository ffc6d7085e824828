"""A generated text for language models, in which what comes next depends on what stands far back.

Every sentence has a noun, words about it, and a verb in the noun's number: "The keys [ of the old cabinet ( near the doors ) ] were
lost ." Other nouns stand between, often of the other number; brackets of three kinds nest and close; a sentence may be quoted. The
last four words say neither the number nor, often, which bracket is open; reading from left to right says both.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from gatelab.files import replacing

NOUNS = ("key", "door", "cat", "teacher", "ship", "letter", "river", "farmer", "window", "song", "tree", "garden")
ADJECTIVES = ("old", "green", "quiet", "small", "bright", "strange")
PREPOSITIONS = ("of", "near", "behind", "under", "beside", "with")
VERBS = (("is", "are"), ("was", "were"), ("has", "have"), ("does", "do"))
ENDS = {
    "is": ("here", "lost", "new"),
    "was": ("found", "painted", "gone"),
    "has": ("a name", "no end", "the time"),
    "does": ("nothing", "the work"),
}
SPEAKERS = (("says", "say"), ("thinks", "think"), ("writes", "write"))
BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
MAX_DEPTH = 3


class Agreement(NamedTuple):
    """The right and the wrong form of a verb after prefix; attractors: nouns of the other number between its noun and it."""

    prefix: str
    right: str
    wrong: str
    attractors: int


class Grammar:
    """Draws sentences; the last one's main verb is ``agreement``."""

    def __init__(self, seed: object) -> None:
        self.random = Random(f"text {seed}")
        self.agreement = Agreement("", "", "", 0)

    def sentence(self, may_quote: bool = True) -> str:
        plural = self.random.random() < 0.5
        between: list[bool] = []  # whether each noun between is plural
        begin = f"The {self.noun(plural)}{self.about(between, 0)}"
        attractors = sum(other != plural for other in between)
        if may_quote and self.random.random() < 0.15:
            forms = self.random.choice(SPEAKERS)
            said = self.sentence(may_quote=False)
            text = f'{begin} {forms[plural]} : " {said} "'
        else:
            forms = self.random.choice(VERBS)
            text = f"{begin} {forms[plural]} {self.random.choice(ENDS[forms[0]])}{self.more(plural)} ."
        self.agreement = Agreement(f"{begin} ", forms[plural], forms[not plural], attractors)
        return text

    def more(self, plural: bool) -> str:
        """In half of the sentences a pronoun and another verb, in the number of the first noun again."""
        if self.random.random() < 0.5:
            return ""
        forms = self.random.choice(VERBS)
        return f" , and {('it', 'they')[plural]} {forms[plural]} {self.random.choice(ENDS[forms[0]])}"

    def noun(self, plural: bool) -> str:
        adjective = f"{self.random.choice(ADJECTIVES)} " if self.random.random() < 0.3 else ""
        return f"{adjective}{self.random.choice(NOUNS)}{'s' if plural else ''}"

    def about(self, between: list[bool], depth: int) -> str:
        """None to three phrases, each with a noun, some in brackets with phrases of their own."""
        text = ""
        for _ in range(self.random.choice((0, 1, 1, 2) if not depth else (0, 0, 1))):
            plural = self.random.random() < 0.5
            between.append(plural)
            phrase = f"{self.random.choice(PREPOSITIONS)} the {self.noun(plural)}"
            if depth < MAX_DEPTH and self.random.random() < 0.4:
                left, right = self.random.choice(BRACKETS)
                text += f" {left} {phrase}{self.about(between, depth + 1)} {right}"
            else:
                text += f" {phrase}"
        return text


def write_text(file: Path, *, num_sentences: int, seed: int) -> None:
    """One sentence a line. The same arguments give the same bytes on every platform."""
    grammar = Grammar(seed)
    with replacing(file) as stream:
        for _ in range(num_sentences):
            stream.write(f"{grammar.sentence()}\n".encode())


def agreements(num_sentences: int, seed: object) -> Iterator[Agreement]:
    """Of sentences that another seed gives."""
    grammar = Grammar(seed)
    for _ in range(num_sentences):
        grammar.sentence()
        yield grammar.agreement
