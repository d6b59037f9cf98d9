"""References of every language: calls, imports, inheritance and types, with scope and lines."""

from pathlib import Path

import pytest

from tasks.parse.document import Reference
from tasks.parse.languages import language_of
from tasks.parse.parse import parse_source

SAMPLES = Path(__file__).parent / "samples"
NEVER = float("inf")

# sample → kind, name, qualifier, alias, scope and lines of each reference
EXPECTED = {
    "sample.c": """
        import stdio.h @1
        import shelf.h @2
        type item_t in shelf @12
        type shelf in shelf @13
        type item_t in compare_fn @18
        type shelf @20
        type item_t in shelf_add @25
        type shelf in shelf_add @25
        call MAX in shelf_add @27
        call push of shelf->ops in shelf_add @28
        call printf in shelf_add @29
    """,
    "sample.cpp": """
        import vector @1
        import * of std @2
        import Item of shop @3
        inherit Base in Shelf @9
        inherit Named of util in Shelf @9
        type Named in Shelf @9
        call push_back of items_ in Shelf.add @14
        call move of std in Shelf.add @14
        call count of this in Shelf.add @15
        type vector in Prices @26
        type Price in Prices @26
        call Price in Shelf.count @30
        call sum of shop in Shelf.count @31
        type Item in find @34
        call lookup in find @34
        type Price in operator< @36
    """,
    "sample.cs": """
        import System @1
        import System.Text as Text @2
        call Serializable in Shelf @7
        inherit Base in Shelf @8
        inherit IStore in Shelf @8
        inherit INamed of Util in Shelf @8
        type Item in Shelf @11
        type Item in Shelf.Shelf @13
        type Task in Shelf.Add @15
        type Item in Shelf.Add @15,18
        call Check in Shelf.Add @17
        call Push of this.items in Shelf.Add @18
        call Box in Shelf.Add @19
        call Open of new Box(item) in Shelf.Add @19
        type Item in Added @34
    """,
    "sample.css": """
        import base.css @1
    """,
    "sample.go": """
        import fmt @5
        import strings as str @6
        type string @13
        type Item @13
        inherit Base in Item @18
        inherit Logger of log in Item @19
        type int in Item @20
        inherit Stringer of fmt in Store @24
        type Item in Store.Add @25
        type error in Store.Add @25
        type int in ID @29
        type string in Name @30
        type Shelf in Shelf.Add @34
        type Item in Shelf.Add @34
        type error in Shelf.Add @34
        call push of s.items in Shelf.Add @35
        call Errorf of fmt in Shelf.Add @36
        call ToUpper of str in Shelf.Add @36
        call Entry of log in Shelf.Add @36
        type Shelf in New @39
        call build in New @39
        call Item in New @39
    """,
    "sample.html": """
        import style.css @3
        import app.js @4
    """,
    "sample.java": """
        import List of java.util @3
        import * of java.util.Map @4
        call Component in Shelf @9
        inherit Base in Shelf @10
        inherit Store in Shelf @10
        type util in Shelf @10
        inherit Named of util in Shelf @10
        type List in Shelf @12
        type Item in Shelf @12
        type Item in Shelf.Shelf @14
        call add of this.items in Shelf.Shelf @16
        call Override in Shelf.add @19
        type Item in Shelf.add @20,22
        type FullException in Shelf.add @20
        call check in Shelf.add @21
        call Box in Shelf.add @22
        call open of new Box<Item>(item) in Shelf.add @22
        call copy of Item in Shelf.add @22
        inherit Closeable in Shelf.Listener @25
        type Item in Shelf.Listener.added @26
    """,
    "sample.js": """
        import default of react as React @1
        import useState of react as state @1
        import useMemo of react @1
        import * of ./api.js as api @2
        import ./style.css @3
        import render of ./render.js @4
        import fs as fs @5
        import join of path @6
        import resolve of path as absolute @6
        call filter of clicks in count @13
        call post of api in double @17
        inherit Base of api in Store @21
        call load of this in Store.constructor @26
        call Store in Store.of @30
        call push of this.#items in Store.onClick @33
        call unlinkSync of fs in Store.clear @37
        call join in Store.clear @37
        call Body of Panel in View @47
        call Button in View @47
    """,
    "sample.php": """
        import Item of Shop\\Model @4
        import Clock of Shop\\Util @5
        import Logger of Shop\\Util as Log @5
        import helpers.php @6
        inherit Base in Shelf @13
        inherit Store in Shelf @13
        inherit Countable in Shelf @13
        inherit Loggable in Shelf @15
        type Item in Shelf.add @19
        call check of $this in Shelf.add @21
        call info of Log in Shelf.add @22
        call Result in Shelf.add @23
        call count in Shelf.add @23
        type Item in Shelf.check @26
        inherit Closable in Store @29
        call array_sum in total @41
    """,
    "sample.py": """
        import os @3
        import json as j @4
        import Decimal of decimal @5
        import Customer of .models as Buyer @6
        import Item of .models @6
        import * of .rules @7
        type dict in Prices @11
        type str in Prices @11
        type Decimal in Prices @11
        call cached @14
        inherit Base in Order @15
        inherit Priced of mixins in Order @15
        type int in Order @18
        type Buyer in Order.__init__ @20
        call property in Order @24
        type Decimal in Order.total @25
        call sum in Order.total @27
        call values of self.prices in Order.total @27
        type str in load @30
        type Order in load @30
        call loads of json in load.parse @34
        call fdopen of os in load @36
        call Order in load @37
        call parse in load @37
        call read of file in load @37
    """,
    "sample.rb": """
        import set @1
        import shelf @2
        inherit Record of Base in Shop.Item @9
        inherit Comparable in Shop.Item @10
        call Price in Shop.Item.initialize @13
        call new of Price in Shop.Item.initialize @13
        call new in Shop.Item.free @17
        call cents of price in Shop.Item.<=> @21
        call price of other in Shop.Item.<=> @21
        call Item of Shop in main @32
        call new of Shop::Item in main @32
        call save of Shop::Item.new(1) in main @32
    """,
    "sample.rs": """
        import HashMap of std::collections @3
        import Entry of std::collections::hash_map as Slot @3
        import * of crate::model @4
        import shelf @5
        inherit Named in Priced @20
        call price of self in Priced.is_free @23
        inherit Priced in Shelf @27
        type Shelf in Shelf @27
        call sum of self.items in Shelf.price @29
        call info of log in Shelf.price @30
        call Item in Shelf.price @31
        type HashMap in Map @35
        type String in Map @35
        type Item in Map @35
        call add of super::shelf in tests.adds @43
        call new of Slot in tests.adds @43
    """,
    "sample.sh": """
        import ./lib.sh @2
        import /etc/profile @3
        call compile in build @11
        call tee in build @11
        call rm in clean @15
        call build @18
    """,
    "sample.sql": """
        type items in cheap @7
        type prices of shop in cheap @7
        call sum in total @9
        type items in total @9
        type items @13
    """,
    "sample.ts": """
        import Event of ./event @1
        import fs as fs @2
        inherit Closable in Sink @5
        inherit Writer of io in Sink @5
        type Promise in Sink.write @6
        type Event in Handler @10
        call Injectable @16
        inherit Base in Logger @17
        inherit Sink in Logger @17
        inherit Named of api in Logger @17
        type Sink in Logger.constructor @18
        call Traced in Logger @23
        type Promise in Logger.write @24
        call write of this.sink in Logger.write @25
        call Wrapped in Logger.write @25
    """,
    "sample.tsx": """
        import FC of react @1
        type FC in Card @7
        type Props in Card @7
        call track in Card.onClick @8
        call Root of Box in Card @9
        call Title in Card @9
    """,
}


def told(reference: Reference) -> str:
    """A reference in words: `call name of qualifier as alias in scope @lines`."""
    words = [reference.kind, reference.name]
    for preposition, value in (
        ("of", reference.qualifier),
        ("as", reference.alias),
        ("in", reference.scope),
    ):
        words += [preposition, value] if value else []
    return " ".join([*words, f"@{','.join(map(str, reference.lines))}"])


@pytest.mark.parametrize("sample", EXPECTED)
def test_a_file_uses_what_a_reader_would_look_up(sample: str) -> None:
    """Each use once for its name, qualifier and scope, with all its lines."""
    source = (SAMPLES / f"{sample}.txt").read_text()

    parsed = parse_source(source, language_of(sample), NEVER)

    expected = [line.strip() for line in EXPECTED[sample].strip().splitlines()]
    assert expected == [told(reference) for reference in parsed.references]
