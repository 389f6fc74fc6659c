"""Whole words of the nano bases' vocabulary, beside those of the templates.

What the shipped domains say in code, in prose and in the statements of problems; a test holds them
to it. A word that is not here is spelled.
"""

from __future__ import annotations

from typing import Final

CODE: Final = tuple(
    """def return if elif else for in range while not and or True False None len ord chr int str
    list dict set append pop insert sorted sort reversed reverse min max sum abs any all
    enumerate zip join split upper lower index count replace isalpha isdigit islower isupper
    continue break pass lambda map filter print swap import get remove shift tuple bool float
    round extend clear add keys values items divmod""".split()
)
PROSE: Final = tuple(
    """above absolute added after again alone alphabet alphabetical among amount an answer anything
    applied are around arrangement arrangements arrow arrows as ascending at away back backward
    base be become becomes before begin beginning beginnings begins behind below between blanks
    block both bracket brackets but by can capital carried carry case change changed choice
    circle circles code coin coins colour colours columns come comes coming copy cost counted
    counts cross crossed cut decimal decrease define delete descending difference different
    differs digit digits divide divided divides dividing do does done double down drop each
    earlier earliest edge edges either elsewhere empty end ending ends entry equal equals even
    every factors failing false far fewest fifth find first five followed following follows
    forward found four fourth from front gets give given gives go goes going grammar graph
    greater greatest group grows halve halving happens has have here high highest hold holds how
    increase increased into inward is it item its itself joined joins just keep kept key large
    larger largest last later leads least leave leaves leaving left length less let letter
    letters lies like line lists long longest look loop loses low lowest made make makes many
    matrix may means meets met method minus modulo more most move moved much multiple multiples
    multiplied multiply nearest negative neighbours neither new newest next no node nodes none
    nor nothing number numbered numbers numerals odd of often on once one ones only open opening
    order ordered other others otherwise out outcome outer output over pair pairs part parts
    path people place places plus position positions power prime problem product put quotient
    quotients raise raised ranges reached read reads recite reduced remainder rest result right
    roman rotate rounded row rows rules run same say says search second sentence several share
    shorter shortest should shrinks sign significant signs six skip small smaller smallest so
    some spiral square stand stands start starts stays step steps stop subtract such sums table
    tables take taken takes taking text texts th than that the their them then there these they
    things third this those three through time times to together too top total trace trade true
    truth turn turned turns twice two twos under until up use value vowel vowels way ways weight
    weights what when where which whole whom whose with without word words would write written
    yet zero""".split()
)
