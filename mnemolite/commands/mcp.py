"""`mnemo mcp`: the index as tools for language models, by the Model Context Protocol.

Over stdio (stdout then carries the protocol and nothing else) or, stateless, over HTTP. HTTP has no
authentication, so it listens on loopback only, and answers only what was addressed to it there.
"""

import socket
from typing import Annotated

import typer
import uvicorn

from config.errors import EXIT_DONE, BadInputError
from mnemolite.mcp_tools import make_server
from mnemolite.output import say
from mnemolite.session import open_runtime

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_PORT = 65_535
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def mcp(
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Listen here, loopback only; default: stdio."),
    ] = None,
) -> int:
    """Serve the index to language models over MCP."""
    listener = None if http is None else _listen(*_address(http))
    with open_runtime("sql_search") as runtime:
        server = make_server(runtime)
        if listener is None:
            server.run("stdio")
            return EXIT_DONE
        host, port = listener.getsockname()[:2]
        # its own host check: a page in a browser cannot reach it by a name of its own
        web = server.streamable_http_app(stateless_http=True, json_response=True, host=host)
        say(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}/mcp")
        # log_config None: no access log on stdout
        uvicorn.Server(uvicorn.Config(web, log_config=None)).run(sockets=[listener])
    return EXIT_DONE


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not port.isascii() or not port.isdigit() or int(port) > MAX_PORT:
        raise BadInputError(f"--http takes HOST:PORT, such as 127.0.0.1:8787, not {text!r}")
    if host not in LOOPBACK:
        raise BadInputError(
            f"--http listens on {', '.join(LOOPBACK)} only, because it has no authentication;"
            " put a proxy that has it in front"
        )
    return host, int(port)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise BadInputError(f"cannot listen on {host}:{port}: {exc.strerror}") from exc
