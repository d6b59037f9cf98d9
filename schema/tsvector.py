"""A tsvector as the database stores it, so that COPY can carry our own lexemes in binary.

PostgreSQL's text parser is wrong for code (`HTTPServer.parse_url` becomes a host name), hence the
lexemes and positions are computed by `tasks/parse/tokens.py` and sent ready-made.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

TSVECTOR_OID = 3614
_COUNT = struct.Struct("!i")


@dataclass(frozen=True, slots=True)
class TsVector:
    """Lexemes with packed positions (`weight << 14 | position`), positions ascending."""

    lexemes: Mapping[str, Sequence[int]]

    def to_binary(self) -> bytes:
        """The wire format of `tsvectorrecv` (PostgreSQL, src/backend/utils/adt/tsvector.c)."""
        parts = [_COUNT.pack(len(self.lexemes))]
        for lexeme, positions in self.lexemes.items():
            parts.append(lexeme.encode() + b"\0")
            parts.append(struct.pack(f"!{len(positions) + 1}H", len(positions), *positions))
        return b"".join(parts)


class TsVectorDumper(Dumper):
    """Sends a `TsVector` in binary."""

    format = Format.BINARY
    oid = TSVECTOR_OID

    def dump(self, obj: TsVector) -> bytes:
        """The bytes on the wire."""
        return obj.to_binary()


def register_tsvector(connection: "psycopg.Connection[Any]") -> None:
    """Lets `connection` send `TsVector` values."""
    connection.adapters.register_dumper(TsVector, TsVectorDumper)
