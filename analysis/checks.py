"""What a report would refuse in a study folder, without estimating anything."""

from __future__ import annotations

from pathlib import Path

from analysis.claims import read_claims
from analysis.costs import read_costs
from analysis.item_files import current_files
from analysis.load import load
from analysis.nuisances import read_choices
from analysis.study_folder import read_notes
from analysis.tokens import read_lengths


def check_folder(folder: Path) -> None:
    """Raises BadInput where a file of the folder cannot be read or its item rows are refused.

    A folder without item rows passes: nothing was measured yet.
    """
    for read in (read_notes, read_claims, read_lengths, read_costs, read_choices):
        read(folder)
    check_rows(folder)


def check_rows(folder: Path) -> None:
    """Raises BadInput as `load` does; a folder without item rows passes."""
    if current_files(folder / "items"):
        load(folder)
