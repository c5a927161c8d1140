"""``driftlead profile``: the reference of a table's columns, or of a model's answers to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from driftlead.cli.progress import progress_bar
from driftlead.cli.shapes import ShapeOption, parse_shape
from driftlead.errors import InvalidDataError
from driftlead.wording import counted

if TYPE_CHECKING:
    from driftlead.reference.tables import Table
    from driftlead.service import Predictor

__all__ = ["EPILOG", "profile"]

EPILOG = """
**Examples**

- driftlead profile train.csv -o reference.state

- driftlead profile train.parquet --columns age,income,country -o reference.state

- driftlead profile holdout.csv --columns age,income --model model.pt2 -o reference.state

Take rows that the model was not trained on, and at least twenty windows of them: with the default window of
500, 10 000 rows. Rows are not kept: the file holds a sorted sample of each column by itself.
"""

_ROWS_AT_ONCE = 1_000


def profile(
    data: Annotated[Path, typer.Argument(help="CSV, TSV, JSON Lines or Parquet, of any size.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    columns: Annotated[
        str | None, typer.Option(help="Columns to take, with commas between them; all by default.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Model whose answers are profiled too: a file, or module:attribute; see serve."),
    ] = None,
    shape: ShapeOption = None,
    softmax: Annotated[bool, typer.Option("--softmax", help="The model gives logits.")] = False,
    max_sample: Annotated[int, typer.Option(help="Most values kept of a column.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
) -> None:
    """Take the reference that live rows are compared with."""
    from driftlead.cli.reference import require_output
    from driftlead.reference import ReferenceProfile
    from driftlead.reference.tables import open_table
    from driftlead.service.loading import load_predictor

    require_output(output)
    chosen = columns.split(",") if columns else None
    with progress_bar() as bar:
        if model is None:
            taken = ReferenceProfile.from_file(
                data,
                columns=chosen,
                model_hash="",
                max_sample=max_sample,
                seed=seed,
                progress=lambda done, total: bar("rows", done, total),
            )
        else:
            table = open_table(data, chosen)
            predictor = load_predictor(
                model, row_shape=parse_shape(shape), feature_names=table.columns, softmax=softmax
            )
            taken = ReferenceProfile.from_batches(
                predictor.signals,
                _answers(predictor, table),
                model_hash=predictor.version,
                max_sample=max_sample,
                seed=seed,
                progress=lambda done, _: bar("rows", done, max(done, table.expected_rows)),
            )
    taken.save(output)
    typer.echo(f"{output}: {counted(taken.n_signals, 'signal')} of {counted(taken.n_rows, 'row')}")


def _answers(predictor: Predictor, table: Table) -> Iterator[NDArray[np.float64]]:
    """Yield the signals of a model's answers to the rows of a table."""
    spec = predictor.inputs[0]
    for batch in table.rows(_refuse_text):
        for start in range(0, len(batch), _ROWS_AT_ONCE):
            rows = batch[start : start + _ROWS_AT_ONCE]
            given = rows.astype(spec.dtype).reshape(len(rows), *spec.shape[1:])
            yield np.asarray(predictor.predict({spec.name: given}).signals)


def _refuse_text(column: str, texts: Sequence[str | None]) -> NDArray[np.float64]:
    raise InvalidDataError(f"column {column!r} holds text, and the model takes numbers; choose --columns")
