"""`client.images.list`: going through listings, page by page and in one."""

import asyncio

import pytest
from clouds import World
from watch import client_tasks

from aioimages import Image

pytestmark = pytest.mark.anyio


def _ids(images: list[Image]) -> set[str]:
    return {image.id for image in images}


async def test_collect(world: World) -> None:
    """Everything that an account has comes in one list."""
    made = await world.make_images("a", "b", "c")
    assert _ids(made) == _ids(await world.producer.images.list().collect())


async def test_nothing_to_list(world: World) -> None:
    """A listing without images is empty."""
    assert await world.producer.images.list(name="nothing").collect() == []
    assert [page async for page in world.producer.images.list(name="nothing").pages()] == []
    assert await world.producer.images.list(name="nothing").first() is None


async def test_iteration(world: World) -> None:
    """`async for` gives each image once, over however many pages."""
    made = await world.make_images(*"abcdefg")
    listed = [image.id async for image in world.producer.images.list(page_size=2)]
    assert len(made) == len(listed)
    assert _ids(made) == set(listed)


async def test_images_in_listings_are_whole(world: World) -> None:
    """An image of a listing equals the one that is got by its id."""
    image = await world.make_image("web", tags=["a"], properties={"os_distro": "ubuntu"})
    assert [image] == await world.producer.images.list().collect()


async def test_pages(world: World) -> None:
    """Pages are as long as was asked for, and the last one has the rest."""
    await world.make_images(*"abcde")
    assert [len(page) async for page in world.producer.images.list(page_size=2).pages()] == [2, 2, 1]


async def test_pages_that_end_with_the_images(world: World) -> None:
    """Where the last page is full there is no empty one after it."""
    await world.make_images(*"abcd")
    assert [len(page) async for page in world.producer.images.list(page_size=2).pages()] == [2, 2]


async def test_page_size_is_what_is_asked_for_on_the_wire(world: World) -> None:
    """`page_size` is the wire's `limit`, and each page goes on after the one before."""
    await world.make_images(*"abc")
    listed = await world.producer.images.list(page_size=1, sort="name:asc").collect()
    queries = [request.query for request in world.watch.to("/images") if request.method == "GET"]
    assert all("limit=1" in query for query in queries)
    markers = [query.rpartition("marker=")[2].partition("&")[0] for query in queries if "marker=" in query]
    assert [image.id for image in listed][: len(markers)] == markers


@pytest.mark.parametrize("most", [0, 1, 3, 4, 9])
async def test_max_items(world: World, most: int) -> None:
    """`max_items` ends a listing wherever the pages do."""
    await world.make_images(*"abcde")
    listed = await world.producer.images.list(page_size=2, max_items=most).collect()
    assert min(most, 5) == len(listed)


async def test_first(world: World) -> None:
    """The first image in the order that was asked for comes with one request for one image."""
    await world.make_images(*"bac")
    world.watch.clear()
    first = await world.producer.images.list(sort="name:asc").first()
    assert first is not None
    assert first.name == "a"
    assert [part for request in world.watch.to("/images") for part in request.query.split("&") if "limit" in part] == [
        "limit=1"
    ]


async def test_listing_is_lazy(world: World) -> None:
    """Making a listing sends nothing."""
    world.producer.images.list(name="x", page_size=2)
    await asyncio.sleep(0.05)
    assert world.watch.requests == []


async def test_listing_asks_anew(world: World) -> None:
    """A listing can be gone through again, and then shows what there is by then."""
    await world.make_image("a")
    listing = world.producer.images.list()
    before = await listing.collect()
    await world.make_image("b")
    assert (len(before), len(await listing.collect())) == (1, 2)


async def test_leaving_a_listing_early(world: World) -> None:
    """Leaving a listing in the middle leaves no request and no asyncio task behind."""
    await world.make_images(*"abcdef")
    before = client_tasks()
    async for _ in world.producer.images.list(page_size=1):
        break
    await asyncio.sleep(0.1)
    sent = len(world.watch.requests)
    await asyncio.sleep(0.2)
    assert sent == len(world.watch.requests)
    assert client_tasks() <= before


async def test_repeated_tags_over_pages(world: World) -> None:
    """Several tags hold for every page, also where the service loses them from its link to the next."""
    both = await world.make_images(*"abcde", tags=["red", "blue"])
    await world.make_images(*"uvw", tags=["blue"])
    await world.make_images(*"xyz", tags=["red"])
    listed = await world.producer.images.list(tag=["red", "blue"], page_size=2, sort="name:asc").collect()
    assert [image.id for image in both] == [image.id for image in listed]


async def test_filters_hold_over_pages(world: World) -> None:
    """A name with special characters is the same on every page."""
    made = await world.make_images(*["a b,c&d=é"] * 5)
    await world.make_image("a b")
    assert _ids(made) == _ids(await world.producer.images.list(name="a b,c&d=é", page_size=2).collect())


async def test_listing_while_images_go(world: World) -> None:
    """An image deleted while a listing is under way neither breaks it nor shows others twice."""
    made = await world.make_images(*"abcdef")
    seen = []
    async for image in world.producer.images.list(page_size=2, sort="name:asc"):
        seen.append(image.id)
        if len(seen) == 1:
            await world.producer.images.delete(made[5].id)
    assert len(set(seen)) == len(seen)
    assert {image.id for image in made[:5]} <= set(seen)


async def test_two_listings_at_once(world: World) -> None:
    """Listings of one client do not disturb each other."""
    made = await world.make_images(*"abcd")
    one, other = await asyncio.gather(
        world.producer.images.list(page_size=1).collect(), world.producer.images.list(page_size=3).collect()
    )
    assert _ids(made) == _ids(one) == _ids(other)


@pytest.mark.clouds("emulator")
async def test_next_page_is_on_its_way(world: World) -> None:
    """The next page is asked for while this one is being looked at, and no page further."""
    await world.make_images(*"abcdef")
    world.watch.clear()
    listing = aiter(world.producer.images.list(page_size=2))
    await anext(listing)
    await asyncio.sleep(0.1)
    assert len(world.watch.to("/images")) == 2
    await anext(listing)
    await anext(listing)
    await asyncio.sleep(0.1)
    assert len(world.watch.to("/images")) == 3
    await listing.aclose()
