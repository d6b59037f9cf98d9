"""`mnemo mcp` as an agent meets it: the SDK's own client, a real process, stdio and HTTP."""

import asyncio
import json
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from mnemolite.bounded import ANSWER_TOKENS
from search.budget import token_bound
from tests.commands import MNEMO, Cli

TOOLS = {
    "search_code",
    "get_symbol",
    "find_references",
    "file_outline",
    "read_code",
    "list_repositories",
    "index_repository",
    "index_status",
}
T = TypeVar("T")


class Agent:
    """A connected client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def raw(self, tool: str, **arguments: Any) -> CallToolResult:
        """What a tool answers."""
        answer = await self.client.call_tool(tool, arguments)
        assert isinstance(answer, CallToolResult)
        return answer

    async def text(self, tool: str, **arguments: Any) -> str:
        """The one text of its answer."""
        (block,) = (await self.raw(tool, **arguments)).content
        assert isinstance(block, TextContent)
        return block.text

    async def json(self, tool: str, **arguments: Any) -> Any:
        """The document in it."""
        return json.loads(await self.text(tool, **arguments))


Talk = Callable[[Callable[[Agent], Awaitable[T]]], T]


@pytest.fixture(scope="module")
def shop(mnemo: Cli, make_shop: Callable[[str], Path]) -> str:
    """An indexed repository that also has a file too long for one answer."""
    root = make_shop("agents")
    (root / "long.py").write_text(
        "".join(f"def number_{n}():\n    return {n}\n" for n in range(3000))
    )
    assert mnemo("index", str(root), "--worktree", "--name", "agents").code == 0
    return "agents"


@pytest.fixture
def stdio(mnemo: Cli, shop: str, tmp_path: Path) -> Talk[Any]:
    """Talks to a new process over its stdin and stdout."""
    server = StdioServerParameters(
        command=MNEMO, args=["mcp"], env=mnemo.environment, cwd=mnemo.cwd
    )
    assert shop

    def run(conversation: Callable[[Agent], Awaitable[T]]) -> T:
        async def talk() -> T:
            with (tmp_path / "stderr").open("w") as stderr:
                async with Client(stdio_client(server, errlog=stderr)) as client:
                    return await conversation(Agent(client))

        return asyncio.run(talk())

    return run


def test_the_tools_say_what_they_do(stdio: Talk[Any]) -> None:
    """All eight; only indexing changes anything."""

    async def conversation(agent: Agent) -> None:
        tools = (await agent.client.list_tools()).tools

        assert {tool.name for tool in tools} == TOOLS
        assert all(tool.description for tool in tools)
        hints = {tool.name: tool.annotations and tool.annotations.read_only_hint for tool in tools}
        assert hints == dict.fromkeys(TOOLS, True) | {"index_repository": False}

    stdio(conversation)


def test_an_agent_finds_its_way(stdio: Talk[Any], shop: str) -> None:
    """From a question to the code, its symbol, its callers and its file."""

    async def conversation(agent: Agent) -> None:
        found = await agent.json("search_code", query="apply_voucher", repository=shop)
        assert found["results"][0]["path"] == "shop/discount.py"
        assert found["coverage"]["lexical"] == 1.0
        assert [read["repository"] for read in found["snapshots"]] == [shop]

        symbol = await agent.json("get_symbol", name="Cart.total_price", repository=shop)
        assert "Sums the prices" in symbol["content"]
        assert symbol["snapshots"][0]["commit"] == found["commits"][shop]

        callers = await agent.json("find_references", name="greet.greet", repository=shop)
        assert [(use["caller"], use["resolved"]) for use in callers["references"]] == [
            ("Greeter.greet", "file")
        ]

        outline = await agent.json("file_outline", path="cart.py", repository=shop)
        assert [item["symbol"] for item in outline["symbols"]][:2] == ["Cart", "Cart.__init__"]

        code = await agent.json(
            "read_code", path="cart.py", repository=shop, start_line=4, end_line=4
        )
        assert code["content"] == "class Cart:"

        repositories = await agent.json("list_repositories")
        assert shop in {row["name"] for row in repositories["repositories"]}

    stdio(conversation)


def test_answers_are_bounded(stdio: Talk[Any], shop: str) -> None:
    """They say what they left out."""

    async def conversation(agent: Agent) -> None:
        outline = await agent.text("file_outline", path="long.py", repository=shop)
        code = await agent.text("read_code", path="long.py", repository=shop)
        found = await agent.text("search_code", query="number", repository=shop, limit=50)

        assert max(map(token_bound, (outline, code, found))) <= ANSWER_TOKENS
        assert json.loads(outline)["left_out"] > 0
        assert json.loads(code)["lines_left_out"] > 0
        assert json.loads(code)["content"].startswith("def number_0():\n    return 0\n")

    stdio(conversation)


def test_an_agent_asks_for_definitions_within_its_budget(stdio: Talk[Any], shop: str) -> None:
    """What does not fit is cut, and the answer says so."""

    async def conversation(agent: Agent) -> None:
        arguments = {"query": "articles cart", "repository": shop, "context": "symbol"}
        whole = await agent.json("search_code", limit=1, **arguments)
        small = await agent.text("search_code", budget=300, **arguments)

        assert whole["results"][0]["symbol"] == "Cart"
        assert "def total_price" in whole["results"][0]["content"]
        assert token_bound(small) <= 300
        assert json.loads(small).keys() & {"left_out", "clipped"}

    stdio(conversation)


@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("search_code", {"query": ""}, "the query is empty"),
        ("search_code", {"query": "x", "repository": "nowhere"}, "no repository is called"),
        ("search_code", {"query": "x", "limit": 10_000}, "limit"),
        ("search_code", {"query": "x", "budget": 10_000}, "budget"),
        ("search_code", {"query": "x", "repository": "a\0b"}, "nothing that is indexed"),
        ("get_symbol", {"name": "\0"}, "the name is empty"),
        ("read_code", {"path": "nowhere.py"}, "no indexed file"),
        ("index_status", {"run_id": "x"}, "not a run's id"),
        ("index_repository", {"source": "/nowhere"}, "nowhere"),
        ("index_repository", {"source": "http://169.254.169.254/x"}, "https"),
    ],
)
def test_what_goes_wrong_is_an_error_of_the_tool(
    stdio: Talk[Any], tool: str, arguments: dict[str, Any], complaint: str
) -> None:
    """In words that a model can act on; the connection goes on."""

    async def conversation(agent: Agent) -> None:
        answer = await agent.raw(tool, **arguments)
        (block,) = answer.content

        assert answer.is_error
        assert isinstance(block, TextContent)
        assert complaint in block.text
        assert await agent.json("list_repositories")

    stdio(conversation)


def test_indexing_is_asked_for_and_followed(
    stdio: Talk[Any], make_shop: Callable[[str], Path]
) -> None:
    """The run's id comes back at once."""
    root = make_shop("asked-by-an-agent")

    async def conversation(agent: Agent) -> None:
        asked = await agent.json("index_repository", source=str(root))
        assert asked["repository"] == "asked-by-an-agent"
        run = {"state": "pending"}
        while run["state"] in ("pending", "indexing"):
            (run,) = (await agent.json("index_status", run_id=asked["run_id"]))["run"]
            await asyncio.sleep(0.2)
        assert run["state"] == "succeeded"

    stdio(conversation)


def test_http_answers_on_loopback(mnemo: Cli, shop: str) -> None:
    """Without sessions: every request stands alone."""
    process = mnemo.start("mcp", "--http", "127.0.0.1:0")
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/mcp", said)
        assert address, said

        async def talk() -> Any:
            async with Client(address.group()) as client:
                return await Agent(client).json("get_symbol", name="apply_voucher", repository=shop)

        assert asyncio.run(talk())["path"] == "shop/discount.py"
        assert asyncio.run(talk())["path"] == "shop/discount.py"
    finally:
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert stdout == ""


@pytest.mark.parametrize("address", ["0.0.0.0:8000", "192.0.2.1:80", "example.org:80", "[::]:80"])
def test_http_listens_nowhere_else(mnemo: Cli, address: str) -> None:
    """It has no authentication, and says so."""
    refused = mnemo("mcp", "--http", address)

    assert refused.code == 2
    assert "no authentication" in refused.stderr


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "localhost:70000"]
)
def test_an_address_that_is_none_is_refused(mnemo: Cli, address: str) -> None:
    """In words."""
    refused = mnemo("mcp", "--http", address)

    assert refused.code == 2
    assert "HOST:PORT" in refused.stderr
