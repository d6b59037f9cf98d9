"""How much an answer costs a language model, counted so that it is never more than was said.

Tokenizers differ; code in the common ones takes 3.2 to 4.5 bytes a token. Three bytes a token is
therefore a bound in practice, also for scripts whose characters take three bytes and one token.
"""

BYTES_PER_TOKEN = 3


def token_bound(text: str) -> int:
    """At most so many tokens."""
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def clip(text: str, tokens: int) -> str:
    """The lines of `text` that fit into `tokens`; of one long line, its beginning."""
    if token_bound(text) <= tokens:
        return text
    head = text.encode(errors="replace")[: tokens * BYTES_PER_TOKEN].decode(errors="ignore")
    lines, newline, _ = head.rpartition("\n")
    return lines + newline if newline else head
