"""Which images a listing shows, in which order, page by page."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from multidict import MultiMapping

from aioimages.emulator.accounts import Account
from aioimages.emulator.refusal import Refusal
from aioimages.emulator.state import Region, Settings, StoredImage

__all__ = ["Order", "page_link", "page_size", "selection"]

SORT_KEYS: Final = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
_PAGING: Final = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})
_OPERATED: Final = frozenset({"id", "name", "status", "container_format", "disk_format"})
_VISIBILITIES: Final = frozenset({"public", "private", "shared", "community", "all"})
_MEMBER_STATUSES: Final = frozenset({"accepted", "pending", "rejected", "all"})
_RACKSPACE_EXACT: Final = frozenset({"name", "owner", "status"})
_QUOTED: Final = re.compile(r'"([^"]*)",?|([^,]+),?|,')
_COMPARISONS: Final[dict[str, Callable[[datetime, datetime], bool]]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "eq": lambda value, bound: value == bound,
    "neq": lambda value, bound: value != bound,
}

Predicate = Callable[[dict[str, Any]], bool]
Query = MultiMapping[str]


def _last(query: Query, name: str) -> str | None:
    values = query.getall(name, [])
    return values[-1] if values else None


def selection(region: Region, account: Account, query: Query) -> list[StoredImage]:
    """Return the images of a region that an account sees and a query asks for, in no order."""
    shown = _shown(region, account, _last(query, "visibility"), _last(query, "member_status"))
    predicates = list(_predicates(region, query))
    return [image for image in shown if all(fits(image.document) for fits in predicates)]


def _shown(region: Region, account: Account, visibility: str | None, member_status: str | None) -> list[StoredImage]:
    if visibility is not None and visibility not in _VISIBILITIES:
        raise Refusal(400, f"Invalid visibility value: {visibility}")
    if member_status is not None and member_status not in _MEMBER_STATUSES:
        raise Refusal(400, f"Invalid status: {member_status}")
    wanted = member_status or "accepted"

    def is_shown(image: StoredImage) -> bool:
        own = image.document.get("owner") == account.tenant_id
        member = image.members.get(account.tenant_id)
        shared = member is not None and wanted in {"all", member["status"]}
        kind = image.document["visibility"]
        match visibility:
            case None:
                return own or shared or kind == "public" or account.is_admin
            case "all":
                return own or shared or kind in {"public", "community"} or account.is_admin
            case "shared":
                return shared or (own and kind == "shared")
            case "private":
                return own and kind == "private"
            case _:
                return bool(kind == visibility)

    return [image for image in region.images.values() if is_shown(image)]


def _predicates(region: Region, query: Query) -> Iterable[Predicate]:
    for tag in query.getall("tag", []):
        yield lambda document, tag=tag: tag in document["tags"]  # type: ignore[misc]  # bound by its default
    for name in set(query) - _PAGING - {"visibility", "member_status", "tag"}:
        value = _last(query, name) or ""
        if name in {"size_min", "size_max"}:
            yield _size_predicate(name, value)
        elif region.is_rackspace:
            # What it does not know, it does not look at.
            if name in _RACKSPACE_EXACT:
                yield _equals(name, value)
        else:
            yield _glance_predicate(name, value)
    if not region.is_rackspace and "os_hidden" not in query:
        yield lambda document: not document.get("os_hidden")


def _equals(name: str, value: str) -> Predicate:
    return lambda document: document.get(name) is not None and str(document[name]) == value


def _glance_predicate(name: str, value: str) -> Predicate:
    if name == "changes-since":
        raise Refusal(400, 'The "changes-since" filter is no longer available on v2.')
    if name in {"protected", "os_hidden"}:
        if value not in {"true", "false"}:
            raise Refusal(
                400, f"Invalid value '{value}' for '{name}' filter. Valid values are case sensitive 'true' or 'false'."
            )
        return lambda document: bool(document.get(name)) is (value == "true")
    if name in {"created_at", "updated_at"}:
        return _time_predicate(name, value)
    if name in _OPERATED and ":" in value:
        return _operator_predicate(name, value)
    return _equals(name, value)


def _size_predicate(name: str, value: str) -> Predicate:
    if not re.fullmatch(r"\d+", value):
        raise Refusal(400, f"Unable to parse {name}: {value} is not an integer")
    bound = int(value)
    if name == "size_min":
        return lambda document: (document.get("size") or 0) >= bound
    return lambda document: (document.get("size") or 0) <= bound


def _operator_predicate(name: str, value: str) -> Predicate:
    operator, _, operand = value.partition(":")
    if operator == "eq":
        return _equals(name, operand)
    if operator != "in":
        raise Refusal(400, f"Unable to filter by unknown operator '{operator}'.")
    if operand.count('"') % 2:
        raise Refusal(400, "Invalid filter value. The quote is not closed.")
    values = {quoted or plain for quoted, plain in _QUOTED.findall(operand)}
    return lambda document: document.get(name) is not None and str(document[name]) in values


def _time_predicate(name: str, value: str) -> Predicate:
    try:
        compare, bound = _COMPARISONS["eq"], datetime.fromisoformat(value)
    except ValueError:
        operator, _, operand = value.partition(":")
        if operator not in _COMPARISONS:
            raise Refusal(400, f"Unable to filter by unknown operator '{operator}'.") from None
        compare = _COMPARISONS[operator]
        try:
            bound = datetime.fromisoformat(operand)
        except ValueError:
            raise Refusal(400, f"Invalid time format for {name}.") from None
    bound = bound if bound.tzinfo else bound.replace(tzinfo=UTC)
    return lambda document: compare(document[name], bound)


class Order:
    """The order that a query asks for: several keys, each up or down."""

    def __init__(self, query: Query, *, keys: tuple[str, ...] = SORT_KEYS) -> None:
        sort = query.get("sort")
        names, directions = query.getall("sort_key", []), query.getall("sort_dir", [])
        if sort is not None:
            if names or directions:
                raise Refusal(400, "Old and new sorting syntax cannot be combined")
            terms = [term.strip().partition(":") for term in sort.split(",")]
            names, directions = [key for key, _, _ in terms], [direction or "desc" for _, _, direction in terms]
        if len(directions) == 1:
            directions = directions * max(1, len(names))
        if names and directions and len(names) != len(directions):
            raise Refusal(400, "Number of sort dirs does not match the number of sort keys")
        self._terms = list(zip(names or ["created_at"], directions or ["desc"] * max(1, len(names)), strict=True))
        for name, direction in self._terms:
            if name not in keys:
                raise Refusal(400, f"Invalid sort key: {name}. It must be one of the following: {', '.join(keys)}.")
            if direction not in {"asc", "desc"}:
                raise Refusal(400, f"Invalid sort direction: {direction}")

    def sorted(self, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return documents in order; what the keys do not tell apart is in the order of their ids."""
        result = sorted(documents, key=lambda document: str(document["id"]), reverse=self._terms[0][1] == "desc")
        for name, direction in reversed(self._terms):
            result.sort(key=lambda document: _comparable(document.get(name)), reverse=direction == "desc")
        return result


def _comparable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)


def page_size(query: Query, settings: Settings, *, is_rackspace: bool) -> int:
    """Return how many items a page has: what is asked for, up to the service's cap."""
    cap = settings.page_size_cap or (100 if is_rackspace else 1000)
    default = settings.page_size_default or (100 if is_rackspace else 25)
    asked = _last(query, "limit")
    if asked is None:
        return min(default, cap)
    if not re.fullmatch(r"\d+", asked):
        raise Refusal(
            400, f"limit param must be an integer, not {asked!r}" if asked else "limit param must be an integer"
        )
    return min(int(asked), cap)


def page_link(path: str, query: Query, marker: str | None = None) -> str:
    """Return the link to a page. It knows of no proxy, and of repeated parameters only the last."""
    parameters = {name: query.getall(name)[-1] for name in query if name != "marker"}
    if marker is not None:
        parameters["marker"] = marker
    return f"{path}?{urlencode(parameters)}" if parameters else path
