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


def window(text: str, first: int, last: int, tokens: int) -> tuple[str, int, int]:
    """The lines around `first` to `last` that fit into `tokens`, and which they are.

    Args:
        text: lines, numbered from 0.
        first: of the lines that matter.
        last: of the same; these are shown first, then as many below and above as fit.
        tokens: at the most.
    """
    lines = text.split("\n")
    first = min(max(first, 0), len(lines) - 1)
    last = min(max(last, first), len(lines) - 1)
    inner = "\n".join(lines[first : last + 1])
    if token_bound(inner) > tokens:
        kept = clip(inner, tokens)
        return kept, first, first + kept.removesuffix("\n").count("\n")
    left = tokens * BYTES_PER_TOKEN - _size(inner)
    grows = True
    while grows:
        grows = False
        for at in (last + 1, first - 1):
            if 0 <= at < len(lines) and _size(lines[at]) < left:
                left -= _size(lines[at]) + 1
                first, last, grows = min(first, at), max(last, at), True
    return "\n".join(lines[first : last + 1]), first, last


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
