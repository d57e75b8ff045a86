"""What is on sale: models, their aliases and prices, from our own table and the operator's file."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.resources import as_file, files
from typing import Any

import msgspec

from tollway.core.ids import ModelId
from tollway.core.model import EMBEDDING, Model, Price
from tollway.gateway.price_list import LocalRow, ModelRow, PriceRow, wrong
from tollway.kit.toml import Place, Sheet, read

_TABLE = "models.toml"
_EMBEDS = re.compile(
    r"(?!.*rerank).*(?:embed|(?:^|[/_-])(?:bge|gte|e5|all-minilm|paraphrase)(?:[-_.:]|$))", re.IGNORECASE | re.DOTALL
)
"""Names under which engines serve models that make vectors: their lists do not say of which type a model is."""
NO_WORDS = 1
"""The output limit of a model that says nothing: the least there is, at no price."""
_NO_CARDS: Mapping[str, Price] = {}


class Catalog:
    """An immutable snapshot of what is on sale; a change makes a new one."""

    __slots__ = ("_by_name", "_cards", "_local", "_local_providers", "_wordless", "models", "version")

    def __init__(
        self,
        models: Sequence[Model],
        version: str,
        local: Model,
        local_providers: frozenset[str],
        cards: Mapping[str, Price] = _NO_CARDS,
    ) -> None:
        """`local` is the pattern of local models, `cards` what local models of no row are sold at instead of its price.

        Raises ValueError when two models claim one name.
        """
        self.models = tuple(model for model in models if model.enabled)
        """On sale, in the order of the table."""
        self.version = version
        self._local, self._local_providers, self._cards = local, local_providers, cards
        self._wordless = _without_words(local)
        self._by_name = _names(self.models)

    @classmethod
    def load(cls, overrides: Sheet | None = None, local_providers: Iterable[str] = ()) -> "Catalog":
        """Our table, then the operator's `[[models]]`, `[fallbacks]` and `[local]`.

        A row with a known id changes the fields it states (a stated price replaces the whole card); one with a
        new id adds a model. Raises TomlError naming file, line and field; a model without a price is refused.
        """
        with as_file(files("tollway") / "data" / _TABLE) as path:
            table = read(path, _TABLE)
        version = str(table.values["version"])
        rows = {row["id"]: _Origin(row, table, ("models", at), version) for at, row in _rows(table)}
        local = _Origin(table.values["local"], table, ("local",), version)
        if overrides is not None:
            version = f"{version}+{_digest(overrides)}"
            _override(rows, overrides, version)
            if "local" in overrides.values:
                local = local.changed(overrides.values["local"], overrides, ("local",), version)
        models = [origin.model() for origin in rows.values()]
        try:
            return cls(models, version, _local_pattern(local), frozenset(local_providers))
        except ValueError as error:
            raise (overrides or table).error(("models",), str(error)) from error

    def find(self, name: str) -> Model | None:
        """The model sold under that id, alias or upstream's name; None when there is none.

        `<provider>/<name>` of a local engine that does not list its models is always on sale, at the local price.
        """
        model = self._by_name.get(name)
        if model is None and "/" in name:
            provider, _, upstream = name.partition("/")
            if provider in self._local_providers and upstream:
                return self._as_local(provider, upstream)
        return model

    def with_local(
        self, provider: str, names: Mapping[str, int | None], others: bool = True, tag: str = ""
    ) -> "Catalog":
        """A catalog that also lists what a local engine says it serves: `<provider>/<name>` and, if free, `<name>`.

        `names`: each with its context length in tokens, where the engine says so. `others`: whether any further
        `<provider>/<name>` is on sale as well. `tag`: an ending that callers may leave out, where that is free, too.
        """
        listed = [_within(self._as_local(provider, name), context) for name, context in names.items()]
        listed = [model for model in listed if model.id not in self._by_name]
        taken = {*self._by_name, *(model.id for model in listed)}
        bare = [(model.name,) if model.name not in taken else () for model in listed]
        taken |= {model.name for model in listed}
        for at, model in enumerate(listed):
            short = model.name.removesuffix(tag)
            shorter = [name for name in (short, f"{provider}/{short}") if name not in taken]
            taken.update(shorter)
            listed[at] = msgspec.structs.replace(model, aliases=(*bare[at], *shorter))
        open_ended = self._local_providers | {provider} if others else self._local_providers - {provider}
        return Catalog((*self.models, *listed), self.version, self._local, open_ended, self._cards)

    def at_prices(self, cards: Mapping[str, Price]) -> "Catalog":
        """A catalog that sells each model named in `cards` (model id → card) at that card, all else as it is here."""
        replace = msgspec.structs.replace
        models = [replace(model, price=cards[model.id]) if model.id in cards else model for model in self.models]
        return Catalog(models, self.version, self._local, self._local_providers, dict(cards))

    def only(self, names: Iterable[ModelId]) -> "Catalog":
        """The catalog with these models alone, fallbacks among them."""
        kept = frozenset(names)
        return Catalog([one for one in self.models if one.id in kept], self.version, self._local, frozenset())

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def _as_local(self, provider: str, name: str) -> Model:
        model = ModelId(f"{provider}/{name}")
        pattern = self._wordless if _EMBEDS.match(name) else self._local
        price = self._cards.get(model, pattern.price)
        return msgspec.structs.replace(
            pattern, id=model, name=name, provider=provider, served_by={provider: name}, price=price
        )


def _without_words(local: Model) -> Model:
    """The pattern of local models that make vectors."""
    price = msgspec.structs.replace(local.price, output=Decimal(0))
    return msgspec.structs.replace(local, type=EMBEDDING, max_output=NO_WORDS, price=price, abilities=frozenset())


def _within(model: Model, context: int | None) -> Model:
    """The model with no more room than its engine gives it."""
    if context is None:
        return model
    return msgspec.structs.replace(model, context_window=context, max_output=min(model.max_output, context))


class _Origin:
    """A raw row together with the file it (last) came from, for errors that name the line."""

    def __init__(self, row: Mapping[str, Any], sheet: Sheet, place: Place, version: str) -> None:
        self.row, self.sheet, self.place, self.version = row, sheet, place, version

    def changed(self, row: Mapping[str, Any], sheet: Sheet, place: Place, version: str) -> "_Origin":
        return _Origin({**self.row, **row}, sheet, place, version)

    def price(self, row: PriceRow) -> Price:
        """The card. Raises TomlError for a price that is absurd, or no price at all."""
        found = wrong(row)
        if found is not None:
            field, problem = found
            raise self.sheet.error((*self.place, "price", *field), problem)
        return Price(version=self.version, **msgspec.structs.asdict(row))

    def _whole(self) -> Mapping[str, Any]:
        """The row; one of an embedding model need not say what it costs to say, and how much it may."""
        price = self.row.get("price")
        if self.row.get("type") != EMBEDDING or not isinstance(price, dict):
            return self.row
        return {"max_output": NO_WORDS, **self.row, "price": {"output": 0, **price}}

    def model(self) -> Model:
        row = self.sheet.convert(self._whole(), ModelRow, self.place)
        for name in ("context_window", "max_output"):
            if getattr(row, name) <= 0:
                raise self.sheet.error((*self.place, name), "must be above zero")
        if not row.id or not row.served_by:
            raise self.sheet.error((*self.place, "served_by" if row.id else "id"), "must not be empty")
        if row.type == EMBEDDING and row.fallbacks:
            raise self.sheet.error((*self.place, "fallbacks"), "vectors of different models cannot be compared")
        if row.type == EMBEDDING and row.price.output:
            raise self.sheet.error((*self.place, "price", "output"), "an embedding model is paid for its input only")
        fields = msgspec.structs.asdict(row)
        fields |= {"id": ModelId(row.id), "name": row.name or row.id, "price": self.price(row.price)}
        return Model(**fields)


def _rows(sheet: Sheet) -> list[tuple[int, Mapping[str, Any]]]:
    rows = sheet.convert(sheet.values.get("models", []), list[dict[str, Any]], ("models",))
    for at, row in enumerate(rows):
        if not isinstance(row.get("id"), str):
            raise sheet.error(("models", at, "id"), "every model needs an id")
    return list(enumerate(rows))


def _override(rows: dict[str, _Origin], sheet: Sheet, version: str) -> None:
    for at, row in _rows(sheet):
        place = ("models", at)
        known = rows.get(row["id"])
        rows[row["id"]] = known.changed(row, sheet, place, version) if known else _Origin(row, sheet, place, version)
        if "price" not in rows[row["id"]].row:
            raise sheet.error((*place, "price"), f"{row['id']} has no price: nothing is sold for nothing")
    fallbacks = sheet.convert(sheet.values.get("fallbacks", {}), dict[str, list[str]], ("fallbacks",))
    for model, names in fallbacks.items():
        if model not in rows:
            raise sheet.error(("fallbacks", model), "names no model of the catalog")
        origin = rows[model]
        rows[model] = _Origin({**origin.row, "fallbacks": names}, origin.sheet, origin.place, origin.version)


def _local_pattern(origin: _Origin) -> Model:
    row = origin.sheet.convert(origin.row, LocalRow, origin.place)
    return Model(
        id=ModelId("local"),
        name="local",
        provider="local",
        category="custom",
        context_window=row.context_window,
        max_output=row.max_output,
        price=origin.price(row.price),
        served_by={},
        family="other",
        abilities=frozenset(row.abilities),
        custom=True,
        first_byte_timeout_s=row.first_byte_timeout_s,
    )


def _names(models: Sequence[Model]) -> dict[str, Model]:
    """Every name a caller may use. Ids and aliases must be unique; upstreams' names fill what is free."""
    names: dict[str, Model] = {}
    for model in models:
        for name in (model.id, *model.aliases):
            if names.setdefault(name, model) is not model:
                raise ValueError(f"{name!r} names both {names[name].id} and {model.id}")
    for model in models:
        for provider, upstream in model.served_by.items():
            for name in (upstream, f"{provider}/{upstream}", f"{provider}/{model.id}"):
                names.setdefault(name, model)
    for model in models:
        wrong_kind = next((name for name in model.fallbacks if name in names and names[name].type != model.type), None)
        if wrong_kind is not None:
            raise ValueError(f"{model.id} falls back to {wrong_kind}, which makes something else")
    return names


def _digest(sheet: Sheet) -> str:
    stated = repr((sheet.values.get("models"), sheet.values.get("local")))
    return hashlib.sha256(stated.encode()).hexdigest()[:8]
