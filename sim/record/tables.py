"""The tables of a result folder: their columns for Arrow, their one writer and their one reader."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim.record.errors import ResultError
from sim.record.files import opened
from sim.record.folder import whole
from sim.record.rows import Column, ScoreRow, TraceRow

# The row group size decides the bytes of a table, so it is never left to the library's default.
ROWS_PER_GROUP = 65_536
TEXT = pa.dictionary(pa.int32(), pa.string())
TYPES: Mapping[Any, pa.DataType] = {
    str: TEXT,
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    tuple[str, ...]: pa.list_(pa.string()),
}


def field(name: str, kind: Any, column: Column) -> pa.Field:
    """A column for Arrow; `kind` is its type in Python, perhaps `| None`."""
    several = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    told = {"meaning": column.meaning, **({"unit": column.unit} if column.unit else {})}
    return pa.field(name, TYPES[several[0]], nullable=len(several) > 1, metadata=told)


def schema_of(
    row: type[ScoreRow] | type[TraceRow], chosen: Sequence[str] | None = None
) -> pa.Schema:
    """All columns of a kind of rows, or those chosen, with meanings and units as metadata."""
    hints = get_type_hints(row, include_extras=True)
    names = [name for name in row._fields if chosen is None or name in chosen]
    return pa.schema([field(name, *get_args(hints[name])) for name in names])


def table(schema: pa.Schema, rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows in columns: compact, since a sweep holds thousands of runs."""
    columns = [
        pa.array([row[index] for row in rows], type=one.type) for index, one in enumerate(schema)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def write(target: Path, schema: pa.Schema, parts: Iterable[pa.Table], scenario: str) -> int:
    """Write rows as they come, in row groups that are all full but the last; how many there are.

    How the rows were parted does not show in the bytes. `scenario` goes into the file's metadata.
    Raises OSError.
    """
    decoded = pa.schema([one.with_type(plain(one.type)) for one in schema])
    written = 0
    with (
        whole(target, ours=True) as path,
        pq.ParquetWriter(  # Of a path that begins with ~ Arrow would make another one.
            path.absolute(), schema.with_metadata({"scenario": scenario}), compression="zstd"
        ) as writer,
    ):
        waiting = decoded.empty_table()
        for part in _pieces(parts):
            written += part.num_rows
            waiting = pa.concat_tables([waiting, part.cast(decoded)])
            if waiting.num_rows >= ROWS_PER_GROUP:
                _write_group(writer, waiting.slice(0, ROWS_PER_GROUP))
                waiting = waiting.slice(ROWS_PER_GROUP)
        if waiting.num_rows:
            _write_group(writer, waiting)
    return written


def _pieces(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Their rows, not all of them decoded at once: texts take several times as much so."""
    for part in parts:
        for start in range(0, part.num_rows, ROWS_PER_GROUP):
            yield part.slice(start, ROWS_PER_GROUP)


def _write_group(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    # Texts are numbered by their first row, not by the dictionaries of the parts they came from.
    columns = [
        column.combine_chunks().dictionary_encode() if kind == TEXT else column.combine_chunks()
        for column, kind in zip(rows.columns, writer.schema.types, strict=True)
    ]
    found = pa.Table.from_arrays(columns, schema=writer.schema)
    writer.write_table(found, row_group_size=ROWS_PER_GROUP)


def plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a column, however they are encoded."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def batches(
    path: Path,
    names: Sequence[str],
    wanted: Mapping[str, Sequence[Any]] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The columns `names` of a table, some rows at a time: those `wanted` in each of its columns.

    Raises ResultError if the file lacks a column or can't be read.
    """
    chosen = wanted or {}
    try:
        # A file handle, because pyarrow reads `name=value` folders on a path as extra columns.
        with opened(path) as file:
            parquet = pq.ParquetFile(file)
            needed = list(dict.fromkeys([*names, *chosen]))
            for name in needed:
                if name not in parquet.schema_arrow.names:
                    raise ResultError(f"{path}: lacks the column {name}")
            # Arrow's threads may abort a program that ends just after they were needed (exit 134).
            for batch in parquet.iter_batches(ROWS_PER_GROUP, columns=needed, use_threads=False):
                yield _only(batch, chosen).select(names)
    except (OSError, pa.ArrowException) as error:
        raise ResultError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None


def _only(batch: pa.RecordBatch, wanted: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    for name, values in wanted.items():
        column = batch.column(name)
        known = pa.array(list(values), type=plain(column.type))
        if pa.types.is_dictionary(column.type):
            # Which of the dictionary's texts are wanted is asked once, not once a row.
            mask = pc.is_in(column.dictionary, value_set=known).take(column.indices)
            mask = mask.fill_null(None in values)  # Of what is missing there is no text.
        else:
            mask = pc.is_in(column, value_set=known)
        batch = batch.filter(mask)
    return batch


def read(
    path: Path,
    schema: pa.Schema,
    wanted: Mapping[str, Sequence[Any]] | None = None,
) -> pa.Table:
    """The schema's columns of the rows that `batches` gives; a column of another type is refused.

    Raises ResultError.
    """
    try:
        parts = [
            pa.Table.from_batches([batch]).cast(schema)
            for batch in batches(path, schema.names, wanted)
        ]
    except pa.ArrowException as error:
        raise ResultError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    return together(schema, parts)


def together(schema: pa.Schema, parts: Iterable[pa.Table]) -> pa.Table:
    """The rows of several tables of one schema."""
    return pa.concat_tables([schema.empty_table(), *parts])
