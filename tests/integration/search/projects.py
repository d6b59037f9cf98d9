"""Small projects in several files, in which names mean different things in different places."""

PYTHON = {
    "shop/__init__.py": "from .cart import Cart\n",
    "shop/cart.py": """from . import money
from .base import Container
from .discount import apply_discount as reduced
import json


class Cart(Container):
    def total(self):
        return reduced(self.subtotal())

    def subtotal(self):
        return money.add(self.items)

    def empty(self):
        self.clear()
        super().reset()
        return json.dumps(self)

    def reset(self):
        def undo():
            pass

        undo()
""",
    "shop/base.py": """class Container:
    def clear(self):
        pass

    def reset(self):
        pass
""",
    "shop/discount.py": """def apply_discount(total):
    return total


def dumps(value):
    return value
""",
    "shop/money.py": """def add(values):
    return sum(values)
""",
    "other/discount.py": """def apply_discount(total):
    return 0
""",
    "main.py": """from shop import Cart
import shop.money as cash


def checkout(cart):
    cash.add([])
    cart.subtotal()
    return Cart()
""",
}

TYPESCRIPT = {
    "src/util/format.ts": """export function format(n: number): string { return `${n}` }
export default function parse(s: string) { return s }
""",
    "src/other/format.ts": "export function format(n: number) { return 0 }\n",
    "src/app.ts": """import parse, { format as show } from './util/format'
import * as other from "./other/format.js"

class App {
  run() {
    this.print(show(1))
    other.format(parse('2'))
  }
  print(text: string) {}
}
""",
}

GO = {
    "go.mod": "module example.org/shop\n",
    "util/text.go": """package util

func Clean(s string) string { return trim(s) }
""",
    "util/trim.go": """package util

func trim(s string) string { return s }
""",
    "other/text.go": """package other

func Clean(s string) string { return s }
""",
    "main.go": """package main

import (
	"fmt"

	"example.org/shop/util"
)

func main() {
	fmt.Println(util.Clean("x"))
}
""",
    "other/print.go": """package other

func Println(s string) {}
""",
}

JAVA = {
    "src/org/shop/Cart.java": """package org.shop;

import org.shop.money.Price;

class Cart {
    Price total() { return sum(new Price()); }
    Price sum(Price start) { return Order.first(start); }
}
""",
    "src/org/shop/Order.java": """package org.shop;

class Order {
    static Price first(Price price) { return price; }
}
""",
    "src/org/shop/money/Price.java": """package org.shop.money;

public class Price {
}
""",
    "src/org/other/Price.java": """package org.other;

public class Price {
}
""",
}
