"""`pbb-study models`: the bases, and fetching them."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Base models: which there are, and fetching them.")


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List base models."""
    if context.invoked_subcommand is not None:
        return
    from pbb.models.registry import available
    from study.cli_text import show_pairs

    rows = [
        (
            info.name,
            f"{info.n_params:,} parameters" if info.at_hand else f"not at hand: {info.how_to_get}",
        )
        for info in available()
    ]
    show_pairs("bases (also: hub:owner/name@revision, a local folder, a GGUF file)", rows)


@app.command()
def fetch(name: Annotated[str, typer.Argument(help="smollm2")]) -> None:
    """Fetch a base model's weights into the cache."""
    from pbb.models.registry import SMOLLM2, UnknownModel
    from study.cli_text import err
    from study.fetch import FetchError, fetch_smollm2

    if name != SMOLLM2:
        raise UnknownModel(f"nothing to fetch for {name!r}; only {SMOLLM2!r} is fetched")
    try:
        typer.echo(f"{name}: {fetch_smollm2()}")
    except FetchError as error:
        err.print(str(error))
        raise typer.Exit(1) from None
    typer.echo("unpacking the quantised weights, once; this takes a minute or two")
    from pbb.models.loading import dequantised
    from pbb.models.registry import locate, resolve

    dequantised(locate(name), resolve(name).sha256)
