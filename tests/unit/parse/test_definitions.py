"""Definitions of every language: kinds, name paths and signatures, as a person would name them."""

from pathlib import Path

import pytest

from tasks.parse.languages import language_of
from tasks.parse.parse import parse_source

SAMPLES = Path(__file__).parent / "samples"
NEVER = float("inf")

# sample → kind, name path, signature of each definition
EXPECTED = {
    "sample.c": """
        constant LIMIT: #define LIMIT 10
        macro MAX: #define MAX(a, b)
        struct item_t: typedef struct
        struct shelf: struct shelf
        enum level: enum level
        type compare_fn: typedef int (*compare_fn)(item_t *a, item_t *b)
        constant names: static const char *names[]
        function shelf_add: static item_t *shelf_add(struct shelf *shelf, item_t *item)
    """,
    "sample.cpp": """
        class Shelf: template <typename T> class Shelf : public Base, private util::Named<T>
        method Shelf.Shelf: Shelf() : count_(0)
        method Shelf.clear: virtual void clear() = 0
        method Shelf.add: int add(T item)
        struct Price: struct Price
        enum Level: enum class Level
        type Prices: using Prices = vector<Price>
        method Shelf.count: template <typename T> int Shelf<T>::count() const
        function find: const Item &find(int id)
        function operator<: bool operator<(Price a, Price b)
    """,
    "sample.cs": """
        class Shelf: [Serializable] public class Shelf<T> : Base<T>, IStore, Util.INamed
        constant Shelf.Limit: const int Limit = 10
        method Shelf.Shelf: public Shelf(Item first) : base(first)
        method Shelf.Add: public async Task<Item> Add(Item item)
        interface IStore: interface IStore
        method IStore.Close: void Close()
        struct Price: struct Price
        enum Level: enum Level
        class Named: record Named(string Name)
        type Added: delegate void Added(Item item)
    """,
    "sample.go": """
        constant Limit: const Limit, Rest = 10, 2
        constant Rest: const Limit, Rest = 10, 2
        constant cache: cache = map[string]Item{}
        struct Item: type Item struct
        interface Store: type Store interface
        method Store.Add: Add(item Item) error
        type ID: ID int
        type Name: Name = string
        method Shelf.Add: func (s *Shelf[T]) Add(item Item) error
        function New: func New() *Shelf
    """,
    "sample.java": """
        class Shelf: @Component public class Shelf<T> extends Base<T> implements Store, util.Named
        constant Shelf.LIMIT: static final int LIMIT = 10
        method Shelf.Shelf: public Shelf(Item first)
        method Shelf.add: @Override public Item add(Item item) throws FullException
        interface Shelf.Listener: interface Listener extends Closeable
        method Shelf.Listener.added: void added(Item item)
        enum Shelf.Level: enum Level
        class Shelf.Price: record Price(int cents)
    """,
    "sample.js": """
        function count: function count(clicks)
        function double: const double = async (n) =>
        class Store: class Store extends api.Base
        method Store.constructor: constructor(items)
        method Store.of: static of(...items)
        method Store.onClick: onClick = () =>
        method Store.clear: Store.prototype.clear = function ()
        function helper: exports.helper = function helper()
        constant handlers: const handlers
        method handlers.save: save()
        method handlers.drop: drop: () =>
        function View: const View = () =>
    """,
    "sample.php": """
        constant LIMIT: const LIMIT = 10
        class Shelf: abstract class Shelf extends Base implements Store, \\Countable
        constant Shelf.SIZE: const SIZE = 5
        method Shelf.add: public function add(Item $item): bool
        method Shelf.check: abstract protected function check(Item $item)
        interface Store: interface Store extends Closable
        method Store.close: public function close()
        trait Loggable: trait Loggable
        enum Level: enum Level: string
        function total: function total(array $items)
    """,
    "sample.py": """
        constant LIMIT: LIMIT = 10
        type Prices: type Prices = dict[str, Decimal]
        class Order: class Order(Base, mixins.Priced[Item])
        method Order.__init__: def __init__(self, buyer: Buyer) -> None
        method Order.total: async def total(self) -> Decimal
        function load: def load(path: str) -> Order
        function load.parse: def parse(text)
    """,
    "sample.rb": """
        module Shop: module Shop
        constant Shop.LIMIT: LIMIT = 10
        class Shop.Item: class Item < Base::Record
        method Shop.Item.initialize: def initialize(price)
        method Shop.Item.free: def self.free
        method Shop.Item.<=>: def <=>(other)
        class Shop.Shelf.Row: class Shelf::Row end
        method Shop.helper: def helper; end
        function main: def main
    """,
    "sample.rs": """
        constant LIMIT: const LIMIT: usize = 10
        struct Item: pub struct Item
        enum Kind: pub enum Kind
        trait Priced: pub trait Priced: Named
        method Priced.price: fn price(&self) -> u32
        method Priced.is_free: fn is_free(&self) -> bool
        method Shelf.price: fn price(&self) -> u32
        type Map: type Map = HashMap<String, Item>
        macro item: macro_rules! item { () => {}; }
        module tests: mod tests
        function tests.adds: fn adds()
    """,
    "sample.sh": """
        constant LIMIT: export LIMIT=10
        constant NAME: readonly NAME="x"
        function build: function build()
        function clean: clean()
    """,
    "sample.sql": """
        table items: CREATE TABLE shop.items
        view cheap: CREATE VIEW cheap AS
        function total: CREATE OR REPLACE FUNCTION total(a int) RETURNS int
        index items_name: CREATE INDEX items_name ON items (name)
    """,
    "sample.ts": """
        interface Sink: interface Sink<T> extends Closable, io.Writer
        method Sink.write: write(event: T): Promise<void>
        type Handler: type Handler = (event: Event) => void
        enum Level: enum Level
        constant LEVELS: const LEVELS = [Level.Low, Level.High]
        class Logger: abstract class Logger<T> extends Base<T> implements Sink<T>, api.Named
        method Logger.constructor: constructor(private readonly sink: Sink<T>)
        method Logger.write: async write(event: T): Promise<void>
        method Logger.close: abstract close(): void
        module Tools: namespace Tools
        function Tools.clean: function clean(): void
        function external: function external(name: string): void
    """,
    "sample.tsx": """
        interface Props: interface Props
        function Card: const Card: FC<Props> = ({ title }) =>
        function Card.onClick: const onClick = () =>
    """,
}


@pytest.mark.parametrize("sample", EXPECTED)
def test_a_file_defines_what_its_author_would_list(sample: str) -> None:
    """Functions apart from methods, constants of modules only, nested names in their paths."""
    source = (SAMPLES / f"{sample}.txt").read_text()

    parsed = parse_source(source, language_of(sample), NEVER)

    expected = [line.strip() for line in EXPECTED[sample].strip().splitlines()]
    assert expected == [f"{s.kind} {s.name_path}: {s.signature}" for s in parsed.symbols]


@pytest.mark.parametrize("sample", EXPECTED)
def test_a_definition_stands_where_its_name_does(sample: str) -> None:
    """Lines and bytes say the same, and hold the name."""
    source = (SAMPLES / f"{sample}.txt").read_text()

    parsed = parse_source(source, language_of(sample), NEVER)

    data = source.encode()
    for symbol in parsed.symbols:
        assert data.count(b"\n", 0, symbol.start_byte) + 1 == symbol.start_line
        assert data.count(b"\n", 0, symbol.end_byte - 1) + 1 == symbol.end_line
        assert symbol.name in data[symbol.start_byte : symbol.end_byte].decode()
