"""Images, their tags and their actions (Images v2, "Images", "Image tags")."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from aioimages import _codec
from aioimages._call import Call, NotLandedError, Replay, Reply, identifier, is_unicode, path
from aioimages._calls import query
from aioimages._dialect import Dialect, Operation
from aioimages._errors import AmbiguousOutcomeError, UnsupportedOperationError
from aioimages._models import Image, Page, Task

__all__ = [
    "add_tag",
    "create",
    "deactivate",
    "delete",
    "get",
    "list_page",
    "patch",
    "patch_operations",
    "reactivate",
    "remove_tag",
    "supported",
    "tag_fits_path",
    "tasks",
]

JSON_PATCH: Final = "application/openstack-images-v2.1-json-patch"
PATCH_OPERATIONS: Final = frozenset({"add", "replace", "remove"})
# What an image has by itself: not to be given as a custom property.
ATTRIBUTES: Final = frozenset(
    {
        "checksum",
        "container_format",
        "created_at",
        "direct_url",
        "disk_format",
        "file",
        "id",
        "locations",
        "min_disk",
        "min_ram",
        "name",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "owner",
        "protected",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "tags",
        "updated_at",
        "virtual_size",
        "visibility",
    },
)
# What only the service itself sets.
READ_ONLY: Final = ATTRIBUTES - {
    "container_format",
    "disk_format",
    "locations",
    "min_disk",
    "min_ram",
    "name",
    "os_hidden",
    "owner",
    "protected",
    "tags",
    "visibility",
}


_read_image: Final = _codec.one(Image)


def supported(dialect: Dialect, operation: Operation) -> None:
    """Raise `UnsupportedOperationError` unless the dialect has the operation."""
    if operation not in dialect.operations:
        has = ", ".join(sorted(dialect.operations)) or "nothing beyond the common operations"
        raise UnsupportedOperationError(f"{dialect.title} lacks {operation}; beyond the common operations it has {has}")


def image_path(image_id: str, *rest: str) -> str:
    """Return the path of an image, or of something below it."""
    return path("images", identifier("image_id", image_id), *rest)


def list_page(
    dialect: Dialect,
    filters: Mapping[str, Any],
    *,
    sort: str | Sequence[str] | None = None,
    tag: str | Sequence[str] | None = None,
    properties: Mapping[str, str] | None = None,
) -> Call[Page[Image]]:
    """GET /v2/images (Images v2, "List images")."""
    parameters = query.query_of(dialect, filters, tag=tag, properties=properties)
    parameters += query.sort_parameters(sort, several=dialect.several_sort_keys, title=dialect.title)
    return Call(method="GET", path="images", query=tuple(parameters), read=_codec.page(Image, "images"))


def get(image_id: str) -> Call[Image]:
    """GET /v2/images/{image_id} (Images v2, "Show image")."""
    return Call(method="GET", path=image_path(image_id), read=_read_image)


def create(
    dialect: Dialect,
    attributes: Mapping[str, Any],
    properties: Mapping[str, str] | None,
    *,
    new_id: str,
    project_id: str | None = None,
) -> Call[Image]:
    """POST /v2/images (Images v2, "Create image").

    Args:
        dialect: Which dialect is spoken.
        attributes: Attributes of the image by the wire's names, where they are given.
        properties: Custom properties.
        new_id: The image's id where none is given: a repeated request then meets 409 in place of making a second image.
        project_id: Who owns the image where no owner is given, if that is known.
    """
    supported(dialect, Operation.CREATE)
    given = {name: value for name, value in attributes.items() if value is not None}
    _check_attributes(given)
    for name, value in (properties or {}).items():
        _check_custom(dialect, name, value)
    image_id = identifier("id", given.get("id", new_id))
    document = {**given, **(properties or {}), "id": image_id}
    return Call(
        method="POST",
        path="images",
        body=_codec.dump(document),
        ok=frozenset({201}),
        read=_codec.one(Image),
        landed={
            409: attrs.evolve(get(image_id), read=_made_as(document, project_id) if "id" in given else _read_image)
        },
    )


def _made_as(document: Mapping[str, Any], project_id: str | None) -> Callable[[Reply], Image]:
    """Return a reader that takes an image for ours when it is as it was asked for.

    An id that the caller chose may be that of an older image, one that was made here cannot.
    """
    owner = document.get("owner", project_id)

    def read(reply: Reply) -> Image:
        image, is_as_asked = _compared(reply, document)
        if owner is not None and image.owner != owner:
            raise NotLandedError
        if image.status == "queued" and is_as_asked:
            return image
        raise AmbiguousOutcomeError(
            f"there is an image {image.id}, which may or may not be the one whose making was not answered",
            candidates=(image,),
        )

    return read


def _compared(reply: Reply, wanted: Mapping[str, Any]) -> tuple[Image, bool]:
    """Read an image, and say whether it is as wanted; tags have no order."""
    image = _read_image(reply)
    found = {**_codec.document(reply), "tags": {*image.tags}}
    asked = {
        name: {*map(str, value)} if name == "tags" and isinstance(value, list) else value
        for name, value in wanted.items()
    }
    return image, all(found.get(name) == value for name, value in asked.items())


def patch(image_id: str, operations: Iterable[Mapping[str, Any]]) -> Call[Image]:
    """PATCH /v2/images/{image_id} (Images v2, "Update image")."""
    checked = [_patch_operation(operation) for operation in operations]
    if not checked:
        raise ValueError("there is nothing to change")
    # An `add` below an attribute appends to a list, each time anew.
    appends = any(operation["path"].count("/") > 1 for operation in checked)
    return Call(
        method="PATCH",
        path=image_path(image_id),
        headers={"Content-Type": JSON_PATCH},
        body=_codec.dump(checked),
        read=_codec.one(Image),
        replay=Replay.AMBIGUOUS if appends else Replay.SAFE,
        # So is answered a `remove` of what is gone, and at Rackspace an `add` of what is there.
        landed={} if appends else {409: attrs.evolve(get(image_id), read=_changed_by(checked))},
    )


def _changed_by(operations: Iterable[Mapping[str, Any]]) -> Callable[[Reply], Image]:
    """Return a reader of an image that is as operations leave it."""
    left = {
        _name_in(operation["path"]): None if operation["op"] == "remove" else operation["value"]
        for operation in operations
    }

    def read(reply: Reply) -> Image:
        image, is_as_left = _compared(reply, left)
        if not is_as_left:
            raise NotLandedError
        return image

    return read


def _patch_operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(operation, Mapping):
        raise TypeError(f"a patch operation is a mapping, not {type(operation).__name__}")
    kind, pointer = operation.get("op"), operation.get("path")
    if kind not in PATCH_OPERATIONS:
        raise ValueError(f"a patch operation's 'op' is add, replace or remove, not {kind!r}")
    if not isinstance(pointer, str) or not pointer.startswith("/") or len(pointer) == 1:
        raise ValueError(f"a patch operation's 'path' is a JSON pointer such as '/name', not {pointer!r}")
    if kind != "remove" and "value" not in operation:
        raise ValueError(f"the patch operation {kind} {pointer} has no 'value'")
    unknown = operation.keys() - {"op", "path", "value"}
    if unknown:
        raise ValueError(f"a patch operation has no {', '.join(map(repr, sorted(unknown)))}")
    return dict(operation)


def patch_operations(
    dialect: Dialect,
    changes: Mapping[str, Any],
    remove: Collection[str],
    existing: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Return the JSON patch that sets some attributes and properties and removes others, in the dialect's way.

    Args:
        dialect: Whose way.
        changes: Values by the wire's name.
        remove: Names of properties to remove.
        existing: Names of the custom properties that the image has, where the dialect must know.
    """
    if isinstance(remove, str):
        raise TypeError("remove is several names, not one str")
    twice = changes.keys() & set(remove)
    if twice:
        raise ValueError(f"cannot both set and remove {', '.join(sorted(twice))}")
    operations = []
    for name, value in changes.items():
        _check_change(dialect, name, value)
        replaced = name in dialect.replaced_attributes or name in existing
        operations.append({"op": "replace" if replaced else "add", "path": _pointer(name), "value": _plain(value)})
    for name in remove:
        _check_name(dialect, name)
        if name in ATTRIBUTES:
            raise ValueError(f"{name} is an attribute of every image and cannot be removed")
        operations.append({"op": "remove", "path": _pointer(name)})
    return operations


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _name_in(pointer: str) -> str:
    return pointer[1:].replace("~1", "/").replace("~0", "~")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | set | frozenset) else value


def _check_change(dialect: Dialect, name: str, value: Any) -> None:
    if name in READ_ONLY:
        raise ValueError(f"{name} is set by the service and cannot be changed")
    if name in ATTRIBUTES:
        _check_attributes({name: value})
    else:
        _check_custom(dialect, name, value)


def _check_custom(dialect: Dialect, name: str, value: Any) -> None:
    _check_name(dialect, name)
    if name in ATTRIBUTES:
        raise ValueError(f"{name} is an attribute, not a custom property; give it by its own argument")
    if not isinstance(value, str):
        raise TypeError(f"the property {name} is a str, not {type(value).__name__}")


def _check_name(dialect: Dialect, name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of a property is a str, not {type(name).__name__}")
    if not name or name != name.strip():
        raise ValueError(f"the name of a property cannot be empty, nor begin or end with a blank: {name!r}")
    if len(name) > 255:  # noqa: PLR2004  # the service's limit
        raise ValueError(f"the name of a property has at most 255 characters, not {len(name)}")
    if not is_unicode(name):
        raise ValueError(f"the name of a property is not valid Unicode: {name!r}")
    reserved = next((prefix for prefix in dialect.reserved_prefixes if name.startswith(prefix)), None)
    if reserved:
        raise ValueError(f"{dialect.title} keeps properties that begin with {reserved!r} to itself: {name}")


def _check_attributes(attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if name == "tags":
            for tag in _tags(value):
                tag_text(tag)
        elif name in {"protected", "os_hidden"}:
            _check_type(name, value, bool)
        elif name in {"min_disk", "min_ram"}:
            _check_type(name, value, int)
            if value < 0:
                raise ValueError(f"{name} cannot be negative: {value}")
        elif name != "locations" and value is not None:
            _check_type(name, value, str)
            if len(value) > 255:  # noqa: PLR2004  # the service's limit
                raise ValueError(f"{name} has at most 255 characters, not {len(value)}")


def _check_type(name: str, value: Any, kind: type) -> None:
    if type(value) is not kind:
        raise TypeError(f"{name} is a {kind.__name__}, not {type(value).__name__}")


def _tags(value: Any) -> Iterable[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"tags are several str, not {type(value).__name__}")
    return value


def tag_text(tag: Any) -> str:
    """Return a tag that an image can have; otherwise raise."""
    if not isinstance(tag, str):
        raise TypeError(f"a tag is a str, not {type(tag).__name__}")
    if not tag.strip() or len(tag) > 255:  # noqa: PLR2004  # the service's limit
        raise ValueError(f"a tag has 1 to 255 characters, not {len(tag.strip())}")
    if not is_unicode(tag):
        raise ValueError(f"a tag is valid Unicode, not {tag!r}")
    return tag


def delete(image_id: str) -> Call[None]:
    """DELETE /v2/images/{image_id} (Images v2, "Delete image")."""
    return _done("DELETE", image_path(image_id), landed={404: None})


def tag_fits_path(dialect: Dialect, tag: str) -> bool:
    """Say whether a tag can be added and removed by its path. Others are set with the image's `tags`."""
    tag_text(tag)
    try:
        identifier("tag", tag)
    except ValueError:
        return False
    return tag.isascii() or not dialect.garbles_tags_in_paths


def add_tag(image_id: str, tag: str) -> Call[None]:
    """PUT /v2/images/{image_id}/tags/{tag} (Images v2, "Add image tag")."""
    return _done("PUT", image_path(image_id, "tags", identifier("tag", tag)))


def remove_tag(image_id: str, tag: str) -> Call[None]:
    """DELETE /v2/images/{image_id}/tags/{tag} (Images v2, "Delete image tag")."""
    return _done("DELETE", image_path(image_id, "tags", identifier("tag", tag)), landed={404: None})


def deactivate(dialect: Dialect, image_id: str) -> Call[None]:
    """POST /v2/images/{image_id}/actions/deactivate (Images v2, "Deactivate image")."""
    supported(dialect, Operation.ACTIONS)
    return _done("POST", image_path(image_id, "actions", "deactivate"))


def reactivate(dialect: Dialect, image_id: str) -> Call[None]:
    """POST /v2/images/{image_id}/actions/reactivate (Images v2, "Reactivate image")."""
    supported(dialect, Operation.ACTIONS)
    return _done("POST", image_path(image_id, "actions", "reactivate"))


def _done(method: str, where: str, *, landed: Mapping[int, None] | None = None) -> Call[None]:
    return Call(method=method, path=where, ok=frozenset({204}), read=_codec.nothing, landed=landed or {})


def tasks(dialect: Dialect, image_id: str) -> Call[list[Task]]:
    """GET /v2/images/{image_id}/tasks (Images v2, "Show tasks associated with image")."""
    supported(dialect, Operation.IMAGE_TASKS)
    return Call(method="GET", path=image_path(image_id, "tasks"), read=_codec.under(list[Task], "tasks"))
