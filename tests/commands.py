"""Running the command as a user does: its own process, its own home, real workers behind it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness import PYTHON

MNEMO = str(Path(sys.executable).with_name("mnemo"))
WAIT_SECONDS = 60

FILES = {
    "shop/cart.py": '''"""The shopping cart."""


class Cart:
    """Holds the articles that a customer wants to buy."""

    def __init__(self):
        self.articles = {}

    def add_article(self, article, quantity=1):
        """Puts an article into the cart, or raises its quantity."""
        self.articles[article] = self.articles.get(article, 0) + quantity

    def total_price(self, prices):
        """Sums the prices of all articles, each times its quantity."""
        return sum(prices[article] * count for article, count in self.articles.items())
''',
    "shop/discount.py": '''"""Discounts."""


def apply_voucher(total, voucher):
    """Subtracts a gift voucher from the amount due, but never goes below zero."""
    return max(0, total - voucher.value)


def seasonal_rebate(total, month):
    """Ten percent off in December."""
    return total * 9 // 10 if month == 12 else total
''',
    "shop/mail.py": '''"""Confirmation mails."""


def send_confirmation(address, order):
    """Tells the customer by e-mail that the order has arrived."""
    body = f"Thank you for order {order.number}."
    return deliver(address, body)
''',
    "README.md": "# Shop\n\nA shop with a cart, discounts and confirmation mails.\n",
    "logo.png": "",
    "greet.py": PYTHON,
}


@dataclass(slots=True)
class Result:
    """What a command printed and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Stdout as the one document that it must be."""
        return json.loads(self.stdout)


@dataclass(slots=True)
class Cli:
    """Runs `mnemo` on one home."""

    environment: dict[str, str]
    cwd: Path
    home: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = Path(self.environment["MNEMO_HOME"])

    def __call__(self, *arguments: str, **variables: str) -> Result:
        """Runs a command to its end."""
        done = subprocess.run(
            [MNEMO, *arguments],
            env=self.environment | variables,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Starts the command and does not wait for it."""
        return subprocess.Popen(
            [MNEMO, *arguments],
            env=self.environment,
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


NewCli = Callable[..., Cli]


def make_cli(folder: Path, **variables: str) -> Cli:
    """A command with a home of its own in `folder`."""
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}  # noqa: TID251 - passed on
    return Cli(inherited | {"MNEMO_HOME": str(folder / "home")} | variables, folder)


def await_true(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Waits until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.1)
