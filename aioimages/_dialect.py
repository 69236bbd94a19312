"""What differs between Rackspace Cloud Images and OpenStack Images v2, as data."""

import enum
from collections.abc import Mapping

import attrs

__all__ = ["OPENSTACK", "RACKSPACE", "Dialect", "Operation", "dialect_named"]


class Operation(enum.StrEnum):
    """What not every dialect offers."""

    CREATE = "creating images"
    ACTIONS = "deactivating and reactivating images"
    IMAGE_TASKS = "listing an image's tasks"
    EXPORT = "export tasks"
    DATA = "moving image data"
    STORES = "stores, locations, quotas and ways of importing"


@attrs.frozen(kw_only=True)
class Dialect:
    """One way of speaking the Images API.

    Attributes:
        name: `rackspace` or `openstack`.
        title: How people call it.
        operations: What it offers beyond what every dialect does.
        filters: The image filters that it knows.
        operators: Whether filters take `in:`, `gt:` and their like.
        property_filters: Whether custom properties can be filtered by.
        several_sort_keys: Whether more than one key can be sorted by.
        page_size: How many items a page of a listing has when nothing is said.
        replaced_attributes: Attributes that a PATCH must `replace`, because `add` of an existing one is refused. Empty
            where `add` sets and overwrites alike.
        reserved_prefixes: How property names begin that users cannot set.
        import_properties: What an import task may say of the image, or `None` where anything goes.
        garbles_tags_in_paths: Whether a tag beyond ASCII comes out wrong when it stands in a path.
        import_defaults: What an import task says of the image where the caller does not.
        import_format: What `import_from_format` is when it is not given, or `None` where the task has no such input.
        tasks_have_request_ids: Whether a task tells the id of the request that made it.
    """

    name: str
    title: str
    operations: frozenset[Operation]
    filters: frozenset[str]
    operators: bool
    property_filters: bool
    several_sort_keys: bool
    page_size: int
    replaced_attributes: frozenset[str]
    reserved_prefixes: tuple[str, ...]
    import_properties: frozenset[str] | None
    garbles_tags_in_paths: bool
    import_defaults: Mapping[str, str]
    import_format: str | None
    tasks_have_request_ids: bool


_COMMON_FILTERS = frozenset({"name", "visibility", "member_status", "owner", "status", "size_min", "size_max"})

RACKSPACE = Dialect(
    name="rackspace",
    title="Rackspace Cloud Images",
    operations=frozenset({Operation.EXPORT}),
    filters=_COMMON_FILTERS,
    operators=False,
    property_filters=False,
    several_sort_keys=False,
    page_size=100,
    replaced_attributes=frozenset(
        {
            "name",
            "owner",
            "visibility",
            "os_hidden",
            "tags",
            "os_distro",
            "os_version",
            "protected",
            "container_format",
            "disk_format",
            "min_disk",
            "min_ram",
            "ramdisk_id",
            "kernel_id",
        },
    ),
    reserved_prefixes=("com.rackspace",),
    import_properties=frozenset({"name"}),
    garbles_tags_in_paths=False,
    import_defaults={},
    import_format=None,
    tasks_have_request_ids=False,
)

OPENSTACK = Dialect(
    name="openstack",
    title="OpenStack Images v2",
    operations=frozenset(
        {Operation.CREATE, Operation.ACTIONS, Operation.IMAGE_TASKS, Operation.DATA, Operation.STORES}
    ),
    filters=_COMMON_FILTERS
    | {
        "id",
        "protected",
        "os_hidden",
        "container_format",
        "disk_format",
        "created_at",
        "updated_at",
        "checksum",
        "os_hash_algo",
        "os_hash_value",
    },
    operators=True,
    property_filters=True,
    several_sort_keys=True,
    page_size=200,
    replaced_attributes=frozenset(),
    reserved_prefixes=("os_glance",),
    import_properties=None,
    garbles_tags_in_paths=True,
    # Glance's task fails without a container format, and does not say so.
    import_defaults={"container_format": "bare"},
    import_format="raw",
    tasks_have_request_ids=True,
)


def dialect_named(name: str) -> Dialect:
    """Return the dialect of a name, or raise `ValueError` that lists those that there are."""
    for dialect in (RACKSPACE, OPENSTACK):
        if dialect.name == name:
            return dialect
    raise ValueError(f"dialect is 'rackspace' or 'openstack', not {name!r}")
