"""Documents of every model: read as they are, or refused with the place of what is wrong."""

from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import attrs
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from aioimages import AioImagesError, DecodeError, Image, Member, ProtocolError, Task
from aioimages._bulk import results
from aioimages._bulk.records import Record
from aioimages._call import Reply
from aioimages._calls import identity, objects, servers
from aioimages._codec import marker, one, page
from aioimages._models import (
    Container,
    Download,
    Location,
    Segment,
    Server,
    Store,
    StoredObject,
    TaskState,
    Usage,
)
from aioimages._times import http_date, moment
from properties.documents import documents, json_values, kind_of, misfits, moments, texts, wires

MODELS = (
    Image,
    Task,
    TaskState,
    Member,
    Store,
    Usage,
    Location,
    Server,
    Container,
    StoredObject,
    Segment,
    identity._RackspaceAnswer,
    identity._KeystoneAnswer,
    identity._Versions,
    servers._Servers,
)
each_model = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
LINK = some.one_of(texts(), texts().map("?marker={}".format), texts().map("https://cloud.example/v2/images?{}".format))


def reply(body: Any, url: str = "https://cloud.example/v2/images") -> Reply:
    """Make an answer of a document."""
    return Reply(200, {}, orjson.dumps(body), url)


def as_told(task: Task) -> Task:
    """Return a task as it is understood: the word "None" is no message, and an import's image is in its result."""
    made = (task.result or {}).get("image_id")
    return attrs.evolve(
        task,
        message=None if task.message in {"", "None"} else task.message,
        image_id=made if task.image_id is None and isinstance(made, str) else task.image_id,
    )


def facts(model: Any) -> dict[str, Any]:
    """Return what a model and those in it say; those of answers that nobody but us sees know no equality."""
    return attrs.asdict(model)


@each_model
@given(data=some.data())
def test_documents(cls: type, data: some.DataObject) -> None:
    """What a service says is what the model has: values as they are, defaults where they are missing or null."""
    sent, expected = data.draw(documents(cls))
    found: Any = one(cls)(reply(sent))
    if cls is Task:
        expected = as_told(expected)
    assert facts(found) == facts(expected)


@each_model
@given(data=some.data())
def test_fields_of_wrong_types(cls: type, data: some.DataObject) -> None:
    """A value of another type than the field's is a `DecodeError` that names the field as the wire does."""
    sent, _ = data.draw(documents(cls))
    fields = wires(cls)
    # A task's message is for people, and may be anything.
    wire = data.draw(some.sampled_from(sorted(fields.keys() - ({"message"} if cls is Task else set()))))
    misfit = data.draw(misfits(kind_of(fields[wire])))
    with pytest.raises(DecodeError) as raised:
        one(cls)(reply({**sent, wire: misfit}))
    assert f"$.{wire}" in str(raised.value)


@given(json_values())
def test_messages_of_tasks(message: Any) -> None:
    """A task's message of any type is kept as a text that says it, and hinders nothing."""
    found = one(Task)(reply({"id": "t", "status": "failure", "message": message}))
    if message is None or message in ("", "None"):
        assert found.message is None
    else:
        assert found.message == (message if isinstance(message, str) else orjson.dumps(message).decode())


@each_model
@given(data=some.data())
def test_missing_fields(cls: type, data: some.DataObject) -> None:
    """A field that must be there and is not, or is null, is a `DecodeError` that names it."""
    sent, _ = data.draw(documents(cls))
    needed = sorted(wire for wire, field in wires(cls).items() if field.default is attrs.NOTHING)
    if not needed:
        return
    wire = data.draw(some.sampled_from(needed))
    without = {name: value for name, value in sent.items() if name != wire}
    for document in (without, {**without, wire: None}):
        with pytest.raises(DecodeError, match=wire):
            one(cls)(reply(document))


@each_model
@given(data=some.data())
def test_extra_keys(cls: type, data: some.DataObject) -> None:
    """Keys that a model has no field for are an image's properties, and elsewhere change nothing."""
    sent, _ = data.draw(documents(cls))
    extra = data.draw(some.dictionaries(texts().filter(lambda key: key not in wires(cls)), json_values()))
    found: Any = one(cls)(reply({**extra, **sent}))
    if cls is Image:
        assert found.properties == extra
    else:
        assert facts(found) == facts(one(cls)(reply(sent)))


@each_model
@given(raw=json_values())
def test_any_json(cls: type, raw: Any) -> None:
    """Whatever JSON comes is the model, or a `DecodeError`."""
    with suppress(DecodeError):
        one(cls)(reply(raw))


@given(some.lists(documents(Image), min_size=1, max_size=5), some.data())
def test_pages(drawn: list[tuple[Any, Any]], data: some.DataObject) -> None:
    """A page has its items in their order; one that does not fit is told with its place."""
    read = page(Image, "images")
    sent = [document for document, _ in drawn]
    found = read(reply({"images": sent}))
    assert [image for part in found.parts for image in part] == [image for _, image in drawn]
    place = data.draw(some.integers(0, len(sent) - 1))
    sent[place] = {**sent[place], "size": data.draw(misfits(int))}
    with pytest.raises(DecodeError) as raised:
        list(read(reply({"images": sent})).parts)
    assert f"$.images[{place}].size" in str(raised.value)


@given(json_values() | LINK)
def test_links(link: Any) -> None:
    """Whatever `next` is, it gives a marker, no next page, or an error of the protocol in one short line."""
    try:
        found = page(Image, "images")(reply({"images": [], "next": link}))
    except ProtocolError as error:
        text = str(error)
    else:
        assert found.next_marker or link in (None, "")
        return
    assert text.isprintable()
    assert len(text) < 300


@given(LINK)
def test_markers(link: str) -> None:
    """A link has a marker, or is an error of the protocol."""
    with suppress(ProtocolError):
        assert marker(reply({}), link)


@given(texts(min_size=1))
def test_markers_of_any_text(text: str) -> None:
    """A marker comes out of a link as it was put into it."""
    link = "/v2/images?" + urlencode({"limit": 5, "marker": text})
    assert page(Image, "images")(reply({"images": [], "next": link})).next_marker == text


@given(some.text() | moments().map(datetime.isoformat))
def test_any_moment(text: str) -> None:
    """Whatever a time is written as, it is an aware time, none at all, or a `ValueError`."""
    try:
        found = moment(text)
    except ValueError:
        return
    assert found is None or found.tzinfo is not None


HTTP_DATE = some.from_regex(
    r"[A-Z][a-z]{2}, \d{1,25} [A-Z][a-z]{2} \d{1,25} \d{1,4}:\d{1,4}(:\d{1,4})? ?([+-]\d{1,25}|GMT)?"
)


@given(some.text() | HTTP_DATE)
def test_any_http_date(text: str) -> None:
    """Whatever a date header has, it is an aware time, or none."""
    found = http_date(text)
    assert found is None or found.tzinfo is not None


HEADERS = some.dictionaries(
    some.sampled_from(
        ["content-length", "etag", "last-modified", "x-delete-at", "x-object-manifest", "x-object-meta-a"]
    ),
    some.text() | some.integers().map(str) | HTTP_DATE,
)


@given(HEADERS)
def test_headers_of_objects(headers: dict[str, str]) -> None:
    """Whatever the headers of an object are, they are read, or a `DecodeError` in one short line."""
    try:
        objects.get("c", "o").read(Reply(200, headers, b"", "https://files.example/v1/a/c/o"))
    except AioImagesError as error:
        assert type(error) is DecodeError  # noqa: PT017  # most headers are understood
        assert len(str(error)) < 300  # noqa: PT017
        assert str(error).isprintable()  # noqa: PT017


@given(documents(Task))
def test_tasks_in_journals(drawn: tuple[Any, Task]) -> None:
    """A task that a journal keeps comes back as it was, without its input."""
    # Of URLs a journal keeps less.
    assume(not {*b"?/"} & {*orjson.dumps(drawn[0])})
    known = as_told(drawn[1])
    record = Record(1, "key", "name")
    results.keep_task(known, record)
    assert results.task(record) == attrs.evolve(known, input=None)


@given(
    some.builds(
        Download,
        key=texts(),
        size_bytes=some.integers(0, 2**63),
        hash_algo=some.none() | texts(),
        hash_value=some.none() | texts(),
        verified=some.booleans(),
        resumed_bytes=some.integers(0, 2**63),
    )
)
def test_downloads_in_journals(download: Download) -> None:
    """A download that a journal keeps comes back as it was."""
    record = Record(1, "key", "name")
    results.keep_download(download, record)
    assert results.download(record) == download
