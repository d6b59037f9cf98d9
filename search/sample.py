"""A question that this index can answer, taken from its own documentation."""

from sqlalchemy import Connection, text

SAMPLE = text("""
SELECT c.docstring FROM repositories p
  JOIN refs r ON r.repository_id = p.id AND r.name = p.default_ref
  JOIN snapshot_files f ON f.snapshot_id = r.live_snapshot_id
  JOIN code_chunks c ON c.blob_id = f.blob_id
 WHERE p.name = :repository AND c.kind IN ('function', 'method')
   AND length(split_part(c.docstring, E'\\n', 1)) BETWEEN 25 AND 70
   AND c.docstring ~ '^[A-Z][a-z]+ [a-z]'
   AND f.path NOT LIKE '%test%'
 ORDER BY length(c.docstring) DESC, c.id LIMIT 1
""")


def sample_query(connection: Connection, repository: str) -> str | None:
    """The first line of a well documented function; None where nothing is documented."""
    docstring = connection.execute(SAMPLE, {"repository": repository}).scalar()
    if docstring is None:
        return None
    return str(docstring).partition("\n")[0].strip().rstrip(".").replace('"', "'").replace("`", "")
