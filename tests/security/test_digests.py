"""Data are compared by digests that this library knows to be fit for it."""

import asyncio
import hashlib
import io
import json
from collections.abc import Mapping

import pytest
from servers import raw_server

from aioimages import ChecksumMismatchError, Client, Download, RetryPolicy, StaticToken
from aioimages._transfer.digest import known
from security.canary import answer

pytestmark = pytest.mark.anyio

DATA = b"an image" * 100
ONCE = RetryPolicy(attempts=1)


async def _fetched(said: Mapping[str, object], data: bytes = DATA) -> Download:
    image = {"id": "image-1", "status": "active", "size": len(data), **said}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(200, data if b"/file " in head else json.dumps(image).encode()))
            await writer.drain()

    async with raw_server(talk) as url, Client(StaticToken("a-token", f"{url}/v2"), retry=ONCE) as client:
        return await client.images.download("image-1", io.BytesIO())


@pytest.mark.parametrize("name", sorted(hashlib.algorithms_available | {"crc32", "adler32", "", "sha512 ", "SHA512"}))
def test_algorithms(name: str) -> None:
    """What a service names is used only where it is one of a few: none without a length, none that finds no damage."""
    fit = {"blake2b", "blake2s", "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512_256"}
    fit |= {"sha3_224", "sha3_256", "sha3_384", "sha3_512"}
    assert known(name) is (name in fit)


@pytest.mark.parametrize("name", ["shake_128", "crc32", "foo", "md5-sha1", "__import__", "sha512\x00", "é"])
async def test_algorithms_that_are_not_known(name: str) -> None:
    """Where a service names another one, and no MD5, the data are not taken unchecked."""
    with pytest.raises(ChecksumMismatchError, match="lacks"):
        await _fetched({"os_hash_algo": name, "os_hash_value": "0" * 64})


@pytest.mark.parametrize("value", ["", "0", "é" * 64, "0" * 10_000, "\x00" * 128])
async def test_values_that_are_none(value: str) -> None:
    """A digest of another length or of other letters is a mismatch, whatever it is."""
    said = {"os_hash_algo": "sha512", "os_hash_value": value or "x"}
    with pytest.raises(ChecksumMismatchError):
        await _fetched(said)


async def test_md5_only() -> None:
    """The better digest is compared where there are two; that it was only the MD5, the result tells."""
    sha = hashlib.sha512(DATA).hexdigest()
    md5 = hashlib.md5(DATA).hexdigest()
    both = await _fetched({"os_hash_algo": "sha512", "os_hash_value": sha.upper(), "checksum": "0" * 32})
    assert (both.hash_algo, both.verified) == ("sha512", True)
    only = await _fetched({"checksum": md5})
    assert (only.hash_algo, only.verified) == ("md5", True)
    none = await _fetched({})
    assert (none.hash_algo, none.verified) == (None, False)
    with pytest.raises(ChecksumMismatchError):
        await _fetched({"os_hash_algo": "sha512", "os_hash_value": "0" * 128, "checksum": md5})
