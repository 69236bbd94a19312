"""The embedded cloud's static large objects."""

import hashlib
import json
from typing import Any

import aiohttp
import pytest
from disks import fixed_vhd

from .conftest import Answer, Asker

pytestmark = pytest.mark.anyio

PARTS = {"a": b"aaaaa", "b": b"bbb", "c": b"c"}
WHOLE = b"aaaaabbbc"
TEXT = {"Accept": "*/*"}


def md5(data: bytes) -> str:
    """Return a digest as Swift writes it."""
    return hashlib.md5(data).hexdigest()


ETAG = md5("".join(md5(part) for part in PARTS.values()).encode())


def entry(name: str) -> dict[str, Any]:
    """Return what a manifest says of a part."""
    return {"path": f"/parts/{name}", "etag": md5(PARTS[name]), "size_bytes": len(PARTS[name])}


async def put_parts(asker: Asker) -> None:
    """Put the parts, and make a container for what is made of them."""
    for container in ("parts", "c"):
        await asker.cloud_files("PUT", container)
    for name, data in PARTS.items():
        await asker.cloud_files("PUT", f"parts/{name}", data=data)


async def put_manifest(asker: Asker, manifest: Any, path: str = "c/large", **headers: str) -> Answer:
    """Put a large object together."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps(manifest).encode()
    return await asker.cloud_files("PUT", f"{path}?multipart-manifest=put", data=body, headers=named)


async def put_large(asker: Asker) -> None:
    """Put a large object and all its parts."""
    await put_parts(asker)
    assert (await put_manifest(asker, [entry(name) for name in PARTS])).status == 201


async def test_large_object(asker: Asker) -> None:
    """A large object is read as one, and its digest is in quotes, since it is another's."""
    await put_parts(asker)
    manifest = [{"path": "parts/a", "etag": None, "size_bytes": None}, {"path": "/parts/b"}, entry("c")]
    made = await put_manifest(asker, manifest, ETag=ETAG)
    assert (made.status, made.headers["etag"]) == (201, f'"{ETAG}"')
    for method, body in (("GET", WHOLE), ("HEAD", b"")):
        told = await asker.cloud_files(method, "c/large")
        assert (told.status, told.body, told.headers["content-length"]) == (200, body, "9")
        assert (told.headers["etag"], told.headers["x-static-large-object"]) == (f'"{ETAG}"', "True")
    assert asker.cloud.get_object(asker.cloud.producer, "c/large") == WHOLE


async def test_manifest(asker: Asker) -> None:
    """The manifest tells of the parts; the listing has its digest, and the size of all parts."""
    await put_large(asker)
    manifest = await asker.cloud_files("GET", "c/large?multipart-manifest=get")
    assert manifest.headers["content-type"] == "application/json; charset=utf-8"
    assert [(part["name"], part["bytes"], part["hash"]) for part in manifest.json] == [
        (f"/parts/{name}", len(data), md5(data)) for name, data in PARTS.items()
    ]
    assert set(manifest.json[0]) == {"name", "bytes", "hash", "content_type", "last_modified"}
    listed = await asker.cloud_files("GET", "c")
    [shown] = listed.json
    assert (shown["bytes"], shown["hash"], shown["slo_etag"]) == (9, md5(manifest.body), f'"{ETAG}"')
    assert listed.headers["x-container-bytes-used"] == str(len(manifest.body))


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"{", "Manifest must be valid JSON."),
        (b"{}", "Manifest must be a list."),
        (b'["x"]', "Index 0: not a JSON object"),
        (b'[{"etag": "x"}]', "Index 0: expected keys"),
        (b'[{"path": "/parts/a", "colour": "red"}]', 'Index 0: extraneous keys "colour"'),
        (b'[{"path": 5}]', 'Index 0: "path" must be a string'),
        (b'[{"path": "/parts/a", "etag": 5}]', 'Index 0: "etag" must be a string'),
        (b'[{"path": "/parts"}]', "Index 0: path does not refer to an object."),
        (b'[{"path": "/parts/a", "size_bytes": "x"}]', "Index 0: invalid size_bytes"),
        (b'[{"path": "/c/large"}]', "Index 0: manifest must not include itself"),
        (b'[{"path": "/parts/missing"}]', "Errors:\n/parts/missing, 404 Not Found\n"),
        (b'[{"path": "/parts/a", "size_bytes": 4}]', "Errors:\n/parts/a, Size Mismatch\n"),
        (b'[{"path": "/parts/a", "etag": "x"}]', "Errors:\n/parts/a, Etag Mismatch\n"),
        (b'[{"path": "/c/empty"}, {"path": "/parts/a"}]', "Errors:\n/c/empty, Too small;"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_manifests_that_are_refused(asker: Asker, manifest: bytes, words: str) -> None:
    """A manifest is refused for what it is, and for parts that are not what it says, with the reason for each."""
    await put_parts(asker)
    await asker.cloud_files("PUT", "c/empty", data=b"")
    answer = await asker.cloud_files("PUT", "c/large?multipart-manifest=put", data=manifest, headers=TEXT)
    assert answer.status == 400
    assert answer.body.decode().startswith(words)
    assert (await asker.cloud_files("HEAD", "c/large")).status == 404


async def test_errors_in_json(asker: Asker) -> None:
    """What is wrong with parts is told in JSON where that is accepted."""
    await put_parts(asker)
    answer = await put_manifest(asker, [{"path": "/parts/x y"}, {**entry("a"), "size_bytes": 1, "etag": "x"}])
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json == {
        "Errors": [
            ["/parts/x%20y", "404 Not Found"],
            ["/parts/a", "Size Mismatch"],
            ["/parts/a", "Etag Mismatch"],
        ],
    }


async def test_other_refusals(asker: Asker) -> None:
    """A large object has the digest that is said, a container, and a thousand parts at most."""
    await put_parts(asker)
    assert (await put_manifest(asker, [entry("a")], ETag=md5(b"aaaaa"))).status == 422
    assert (await put_manifest(asker, [entry("a")], path="missing/large")).status == 404
    assert (await put_manifest(asker, [entry("a")] * 1001)).status == 413
    assert (await put_manifest(asker, [])).status == 201


async def test_deletion(asker: Asker) -> None:
    """Deleting a large object leaves its parts, unless they are to go with it, which is told in numbers."""
    await put_large(asker)
    assert (await asker.cloud_files("DELETE", "c/large")).status == 204
    assert asker.cloud.objects(asker.cloud.producer, "parts") == ["a", "b", "c"]
    await put_large(asker)
    await asker.cloud_files("DELETE", "parts/b")
    answer = await asker.cloud_files("DELETE", "c/large?multipart-manifest=delete")
    assert answer.status == 200
    assert answer.json == {
        "Response Status": "200 OK",
        "Response Body": "",
        "Number Deleted": 3,
        "Number Not Found": 1,
        "Errors": [],
    }
    assert asker.cloud.objects(asker.cloud.producer, "parts") == []
    assert asker.cloud.objects(asker.cloud.producer, "c") == []


async def test_deletion_of_what_is_none(asker: Asker) -> None:
    """What is no large object is not deleted as one, and one that is missing is only counted; both are answered 200."""
    await put_parts(asker)
    answer = await asker.cloud_files("DELETE", "parts/a?multipart-manifest=delete")
    assert (answer.status, answer.json["Response Status"]) == (200, "400 Bad Request")
    assert answer.json["Errors"] == [["/parts/a", "Not an SLO manifest"]]
    text = (await asker.cloud_files("DELETE", "parts/a?multipart-manifest=delete", headers=TEXT)).body.decode()
    assert text.endswith("Response Status: 400 Bad Request\nErrors:\n/parts/a, Not an SLO manifest\n")
    missing = await asker.cloud_files("DELETE", "missing/x?multipart-manifest=delete")
    assert (missing.status, missing.json["Number Not Found"]) == (200, 1)
    assert "a" in asker.cloud.objects(asker.cloud.producer, "parts")


async def test_copies(asker: Asker) -> None:
    """A copy of a large object is an ordinary one, unless the manifest is to be copied."""
    await put_large(asker)
    there = {"Destination": "c/flat"}
    assert (await asker.cloud_files("COPY", "c/large", headers=there)).headers["etag"] == md5(WHOLE)
    flat = await asker.cloud_files("GET", "c/flat")
    assert (flat.body, "x-static-large-object" in flat.headers) == (WHOLE, False)
    there = {"Destination": "c/again"}
    await asker.cloud_files("COPY", "c/large?multipart-manifest=get", headers=there)
    again = await asker.cloud_files("GET", "c/again")
    assert (again.body, again.headers["etag"]) == (WHOLE, f'"{ETAG}"')
    await asker.cloud_files("DELETE", "parts/c")
    assert (await asker.cloud_files("COPY", "c/large?multipart-manifest=get", headers=there)).status == 400
    assert (await asker.cloud_files("COPY", "c/large", headers=there)).status == 499


async def test_parts_that_change(asker: Asker) -> None:
    """A large object without its first part is in conflict, and breaks off where a later one has gone or changed."""
    await put_large(asker)
    await asker.cloud_files("PUT", "parts/b", data=b"BBB")
    assert (await asker.cloud_files("HEAD", "c/large")).status == 200
    assert (await asker.cloud_files("GET", "c/large", headers={"Range": "bytes=0-4"})).body == b"aaaaa"
    with pytest.raises(aiohttp.ClientPayloadError):
        await asker.cloud_files("GET", "c/large")
    assert (await asker.cloud_files("GET", "c/large", headers={"Range": "bytes=5-"})).status == 409
    await asker.cloud_files("DELETE", "parts/a")
    assert (await asker.cloud_files("GET", "c/large")).status == 409


async def test_large_objects_in_large_objects(asker: Asker) -> None:
    """A part may be a large object; deletion goes down to the last of them, and once."""
    await put_large(asker)
    assert (await put_manifest(asker, [{"path": "c/large", "etag": ETAG}, entry("b")], path="c/larger")).status == 201
    assert (await asker.cloud_files("GET", "c/larger", headers={"Range": "bytes=3-9"})).body == b"aabbbcb"
    manifest = (await asker.cloud_files("GET", "c/larger?multipart-manifest=get")).json
    assert [part.get("sub_slo") for part in manifest] == [True, None]
    # Put over its own part, it is a circle, which can be deleted but not read.
    assert (await put_manifest(asker, [{"path": "c/larger"}])).status == 201
    assert (await asker.cloud_files("GET", "c/larger")).status == 409
    answer = await asker.cloud_files("DELETE", "c/larger?multipart-manifest=delete")
    assert (answer.json["Number Deleted"], answer.json["Number Not Found"]) == (3, 1)


async def test_expiry(asker: Asker) -> None:
    """A large object that has expired leaves its parts."""
    await put_parts(asker)
    await put_manifest(asker, [entry("a")], X_Delete_After="60")
    asker.cloud.advance(61)
    assert (await asker.cloud_files("GET", "c/large")).status == 404
    assert asker.cloud.objects(asker.cloud.producer, "parts") == ["a", "b", "c"]


async def test_import_and_export(asker: Asker) -> None:
    """A disk is imported from a large object, and exported as an ordinary one."""
    disk, cloud = fixed_vhd(), asker.cloud
    cloud.put_object(cloud.producer, "parts/1", disk[:2048])
    cloud.put_object(cloud.producer, "parts/2", disk[2048:])
    cloud.create_container(cloud.producer, "c")
    await put_manifest(asker, [{"path": "parts/1"}, {"path": "parts/2"}], path="c/web.vhd")
    details = {"import_from": "c/web.vhd", "image_properties": {"name": "web"}}
    image_id = (await asker.task("import", details))["result"]["image_id"]
    done = await asker.task("export", {"image_uuid": image_id, "receiving_swift_container": "c"})
    assert cloud.get_object(cloud.producer, done["result"]["export_location"]) == disk
    await asker.cloud_files("DELETE", "parts/2")
    broken = await asker.task("import", details)
    assert (broken["status"], "conflict" in broken["message"]) == ("failure", True)
