"""Changes of an image as JSON patches, applied by a judge of the test's own."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some

from aioimages._calls import images
from aioimages._dialect import OPENSTACK, RACKSPACE, Dialect
from properties.documents import json_values, texts

each_dialect = pytest.mark.parametrize("dialect", [OPENSTACK, RACKSPACE], ids=lambda dialect: dialect.name)
ATTRIBUTES: dict[str, some.SearchStrategy[Any]] = {
    "name": some.none() | texts(max_size=20),
    "visibility": some.sampled_from(["private", "shared"]),
    "protected": some.booleans(),
    "min_disk": some.integers(0, 2**31),
    "tags": some.lists(texts(min_size=1, max_size=5).filter(str.strip), max_size=3),
}
# Names that a pointer must escape, and others of any kind.
NAMES = texts(min_size=1, max_size=10) | some.text("~/01 aé", min_size=1, max_size=8)


def is_name(dialect: Dialect, name: str) -> bool:
    """Say whether the service takes a custom property of this name."""
    return (
        name == name.strip()
        and name not in images.ATTRIBUTES
        and name not in dialect.replaced_attributes
        and not name.startswith(dialect.reserved_prefixes)
    )


def applied(dialect: Dialect, document: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    """Apply a JSON patch as strictly as a service may (RFC 6902, and what each dialect adds to it)."""
    result = dict(document)
    for operation in patch:
        kind, pointer = operation["op"], operation["path"]
        assert pointer[0] == "/"
        assert "/" not in pointer[1:]
        name = pointer[1:].replace("~1", "/").replace("~0", "~")
        assert "~" not in pointer.replace("~0", "").replace("~1", "")
        if kind == "remove":
            del result[name]
            continue
        if dialect is RACKSPACE:
            assert (kind == "replace") is (name in result)
        else:
            assert kind == "add" or name in result
        result[name] = operation["value"]
    return result


@each_dialect
@given(data=some.data())
def test_changes(dialect: Dialect, data: some.DataObject) -> None:
    """The patch of changes and removals makes of a document the one that was meant, whatever the names are."""
    names = NAMES.filter(lambda name: is_name(dialect, name))
    properties = data.draw(some.dictionaries(names, texts(max_size=5), max_size=5))
    document = {**dict.fromkeys(dialect.replaced_attributes | ATTRIBUTES.keys()), **properties}
    kept = data.draw(some.sets(some.sampled_from(sorted(properties)))) if properties else set()
    removed = sorted(properties.keys() - kept)
    changes = data.draw(some.fixed_dictionaries({}, optional=ATTRIBUTES))
    changes |= data.draw(some.dictionaries(some.sampled_from(sorted(kept)) if kept else names, texts(), max_size=3))
    changes |= data.draw(some.dictionaries(names, texts(max_size=5), max_size=3))
    changes = {name: value for name, value in changes.items() if name not in removed}
    operations = images.patch_operations(dialect, changes, removed, properties)
    expected = {name: value for name, value in {**document, **changes}.items() if name not in removed}
    assert applied(dialect, document, operations) == expected
    if operations:
        body = images.patch("i", operations).body
        assert isinstance(body, bytes)
        assert applied(dialect, document, orjson.loads(body)) == expected


@each_dialect
@given(name=some.text() | some.sampled_from(sorted(images.ATTRIBUTES)), value=json_values() | some.text())
def test_any_change(dialect: Dialect, name: str, value: Any) -> None:
    """Whatever is to be changed, it is refused before anything is sent, or the patch has that one name and value."""
    try:
        operations = images.patch_operations(dialect, {name: value}, ())
        call = images.patch("i", operations)
    except (TypeError, ValueError):
        return
    assert isinstance(call.body, bytes)
    (operation,) = orjson.loads(call.body)
    assert operation["path"][1:].replace("~1", "/").replace("~0", "~") == name
    assert operation["value"] == value
    assert name == name.strip()
    assert name not in images.READ_ONLY
    assert not name.startswith(dialect.reserved_prefixes)


@each_dialect
@given(name=some.text())
def test_any_removal(dialect: Dialect, name: str) -> None:
    """No attribute of every image, no reserved name, and none that the service would read otherwise is removed."""
    with suppress(ValueError):
        (operation,) = images.patch_operations(dialect, {}, [name])
        assert operation == {"op": "remove", "path": "/" + name.replace("~", "~0").replace("/", "~1")}
        assert name == name.strip()
        assert name not in images.ATTRIBUTES
        assert not name.startswith(dialect.reserved_prefixes)


@given(
    some.lists(
        some.fixed_dictionaries({}, optional={"op": json_values(), "path": json_values(), "value": json_values()})
    )
)
def test_any_patch(operations: list[dict[str, Any]]) -> None:
    """What is no JSON patch is a mistake of the program's, and never sent."""
    try:
        images.patch("i", operations)
    except (TypeError, ValueError):
        return
    assert operations
    assert all(operation["op"] in images.PATCH_OPERATIONS for operation in operations)
