"""The one word-level tokenizer of all nano bases.

Covers the arithmetic domain and what later domains need: letters for ciphers, syllables for names
and grammar terminals, list and string operations, the words of prose renderings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pbb.domains.names import SYLLABLES
from pbb.templates import LIBRARY, STUDY

SPECIALS: Final = ("<pad>", "<bos>", "<eos>", "<unk>")
LINE_BREAKS: Final = tuple("\n" + "    " * depth for depth in range(5))
NUMBERS: Final = tuple(str(n) for n in range(100))
LETTERS: Final = tuple("abcdefghijklmnopqrstuvwxyz")
PUNCTUATION: Final = tuple(
    "+= -= *= //= %= == != <= >= ::= -> // ** + - * / % = < > "
    "( ) [ ] { } , : ; . | & ! ? _ ' \"".split()
)
CODE: Final = tuple(
    """def return if elif else for in range while not and or True False None len ord chr int
    str list dict set append pop insert sorted sort reversed reverse min max sum abs any all
    enumerate zip join split upper lower index count replace isalpha isdigit islower isupper
    continue break pass lambda map filter print swap import""".split()
)
PROSE: Final = tuple(
    """trace answer recite start the of is are as it its to from by with then when otherwise
    unless repeat times each every last first next previous take return add subtract
    multiply divide remainder keep number letter letters word words string item items
    position even odd less greater than equal at least most more same set result input
    output shift forward back left right rotate reverse order replace vowel consonant block
    pair pairs empty end begin rule rules sentence grammar symbol either nothing followed
    one two three four five six seven eight nine ten zero do does until after before all any
    both increase decrease double half value variable""".split()
)


def words() -> tuple[str, ...]:
    """Every whole word, templates' included, in a fixed order and without repeats."""
    templates = [*STUDY.declaration, *STUDY.execution, *LIBRARY.declaration, *LIBRARY.execution]
    filler = re.findall(r"[a-z]+", " ".join(templates).replace("{name}", "").replace("{call}", ""))
    return tuple(dict.fromkeys([*CODE, *PROSE, *sorted(set(filler))]))


def vocabulary() -> dict[str, int]:
    """Token -> id."""
    tokens = [
        *SPECIALS,
        *LINE_BREAKS,
        *NUMBERS,
        *LETTERS,
        *PUNCTUATION,
        *words(),
        *SYLLABLES,
    ]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Words before syllables before letters; blanks vanish, line breaks keep their indent."""
    whole = "|".join(sorted(words(), key=len, reverse=True))
    marks = "|".join(re.escape(mark) for mark in PUNCTUATION)  # longest first, as listed
    syllables = "|".join(SYLLABLES)
    pattern = rf"\n(?:    ){{0,4}}|\b(?:{whole})\b|{syllables}|\d{{1,2}}|{marks}|[^\s]"
    tokenizer = Tokenizer(models.WordLevel(vocabulary(), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(folder: Path) -> None:
    """Write the tokenizer's files where AutoTokenizer finds them."""
    build_tokenizer().save_pretrained(folder)
