"""Live pictures: asked for while somebody looks, made once for all, the newest only."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from dashboard.views import PREFIX, TILE_WIDTH, Picture, Viewer, Views
from maskwatch.contracts import VIEWS_CAP, WANTED_TABLE, ViewHead, ViewMessage, views_stream
from maskwatch.domain import FrameId
from maskwatch.reports import wanted_from_json
from maskwatch.settings_file import parse_settings
from tests.alerts import until
from tests.builders import NOW, make_detection
from tests.page import CAMERAS

if TYPE_CHECKING:
    from tests.page import Page


def publish(page: Page, *, seq: int = 1, width: int = 960, sharpness: tuple[float, ...] = ()) -> None:
    """Have a detector publish a picture of the door, as many seconds after NOW as its sequence says."""
    done, jpeg = cv2.imencode(".jpg", np.full((width * 9 // 16, width, 3), 90, np.uint8))
    assert done
    head = ViewHead("door", FrameId(1, seq), NOW + seq, width, width * 9 // 16, (make_detection(),), True, sharpness)
    message = ViewMessage(head, jpeg.tobytes())
    page.bus.append(views_stream("door"), message.to_fields(), VIEWS_CAP)


def unpack(sent: bytes) -> tuple[dict[str, Any], Any, float]:
    """Take a picture apart as a browser does: head, picture, and the server's time."""
    head, jpeg, now = PREFIX.unpack_from(sent)
    assert len(sent) == PREFIX.size + head + jpeg
    picture = cv2.imdecode(np.frombuffer(sent[PREFIX.size + head :], np.uint8), cv2.IMREAD_COLOR)
    return json.loads(sent[PREFIX.size : PREFIX.size + head]), picture, now


@pytest.mark.parametrize(
    ("is_small", "width"), [pytest.param(True, TILE_WIDTH, id="wall"), pytest.param(False, 960, id="camera")]
)
def test_a_picture_comes_with_its_own_boxes(page: Page, is_small: bool, width: int) -> None:
    """What is drawn over a picture travels with it; on a wall it is as small as a tile."""

    async def _look() -> bytes:
        stream = page.parts.views.follow(["door"], is_small=is_small, every_s=0.0)
        publish(page)
        sent = await anext(stream)
        await stream.aclose()
        return sent

    head, picture, now = unpack(asyncio.run(_look()))
    assert head["captured_at"] == NOW + 1
    assert head["faces"] == [{"box": [100, 100, 160, 180], "state": "no_mask", "sure": 0.95}]
    assert picture.shape[1] == width
    assert now == page.clock.time()


def test_a_blurred_face_is_said_to_be_one(page: Page) -> None:
    """How sharp each face is comes with the picture, in the words of the model card; an older detector says nothing."""

    async def _look(sharpness: tuple[float, ...], seq: int) -> list[dict[str, Any]]:
        stream = page.parts.views.follow(["door"], is_small=False, every_s=0.0)
        publish(page, seq=seq, sharpness=sharpness)
        sent = await anext(stream)
        await stream.aclose()
        faces: list[dict[str, Any]] = unpack(sent)[0]["faces"]
        return faces

    assert [each.get("blur") for each in asyncio.run(_look((40.0,), 1))] == ["blurred"]
    assert [each.get("blur") for each in asyncio.run(_look((), 2))] == [None]


def test_looking_asks_and_not_looking_does_not(page: Page) -> None:
    """The table of wanted cameras names what is looked at, for ten seconds at a time, and is not renewed afterwards."""

    async def _look() -> None:
        assert page.bus.table(WANTED_TABLE) == {}
        stream = page.parts.views.follow(["door"], is_small=True, every_s=0.0)
        publish(page)
        await anext(stream)
        await stream.aclose()
        assert page.parts.views._task is not None
        await asyncio.wait_for(page.parts.views._task, 30)

    asyncio.run(_look())
    wanted = page.bus.table(WANTED_TABLE)
    assert list(wanted) == ["door"]
    assert wanted_from_json(wanted["door"]).until == page.clock.time() + 10


def test_a_slow_viewer_gets_the_newest(page: Page) -> None:
    """Pictures that a viewer had no time for are left out, not queued."""

    async def _look() -> list[float]:
        stream = page.parts.views.follow(["door"], is_small=False, every_s=0.0)
        seen = []
        publish(page, seq=1)
        seen.append(unpack(await anext(stream))[0]["captured_at"])
        for seq in (2, 3, 4):
            publish(page, seq=seq)
        await until(lambda: page.parts.views._pictures["door"].captured_at == NOW + 4)
        seen.append(unpack(await anext(stream))[0]["captured_at"])
        await stream.aclose()
        return seen

    assert asyncio.run(_look()) == [NOW + 1, NOW + 4]


def test_ten_viewers_share_the_work(page: Page) -> None:
    """A picture is read and made smaller once, and all viewers get the very same bytes."""

    async def _look() -> list[bytes]:
        streams = [page.parts.views.follow(["door"], is_small=True, every_s=0.0) for _ in range(10)]
        publish(page)
        sent = [await anext(stream) for stream in streams]
        for stream in streams:
            await stream.aclose()
        return sent

    sent = asyncio.run(_look())
    assert len({each[PREFIX.size :] for each in sent}) == 1
    assert page.parts.views._count == 1


def test_a_broken_view_stops_nothing(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    """A message that is no view is left out, and the next one comes through."""

    async def _look() -> bytes:
        stream = page.parts.views.follow(["door"], is_small=True, every_s=0.0)
        page.bus.append(views_stream("door"), {"v": b"1", "kind": b"view", "head": b"{}"}, VIEWS_CAP)
        waiting = asyncio.ensure_future(anext(stream))
        await until(lambda: "a view of door does not decode" in caplog.text)
        publish(page)
        sent = await waiting
        await stream.aclose()
        return sent

    assert unpack(asyncio.run(_look()))[0]["camera"] == "door"


def test_an_absent_bus_is_waited_for(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Viewers wait while the bus is away, and see on when it is back."""
    monkeypatch.setattr("dashboard.views.AWAY_PAUSE_S", 0.01)

    async def _look() -> bytes:
        stream = page.parts.views.follow(["door"], is_small=True, every_s=0.0)
        page.bus.away = True
        waiting = asyncio.ensure_future(anext(stream))
        await until(lambda: page.parts.views._viewers)
        await page.parts.views.step()  # looks in vain, as does the task beside it
        page.bus.away = False
        publish(page)
        sent = await waiting
        await stream.aclose()
        return sent

    assert asyncio.run(_look())


def test_walls_of_two_paces_are_served_at_the_quicker_one(page: Page) -> None:
    """Of two walls with the same camera the slow one holds up no picture of the other, whichever opened first."""

    async def _look(paces: tuple[float, float]) -> float:
        views = Views(page.bus, page.clock)
        streams = [views.follow(["door"], is_small=True, every_s=pace) for pace in paces]
        publish(page, seq=1)
        for stream in streams:
            await anext(stream)
        page.clock.advance(1)
        publish(page, seq=2)
        sent = await anext(streams[paces.index(min(paces))])
        for stream in streams:
            await stream.aclose()
        return float(unpack(sent)[0]["captured_at"])

    for paces in ((1.0, 60.0), (60.0, 1.0)):
        page.bus.delete([views_stream("door")])
        assert asyncio.run(asyncio.wait_for(_look(paces), 10)) == NOW + 2


def test_pictures_are_sent_in_the_order_asked_for(page: Page) -> None:
    """Of several cameras that are new to a page, those named first come first."""
    names = [f"camera-{number}" for number in (7, 1, 5, 3, 9, 2)]
    picture = Picture(1, NOW, b"{}", b"jpeg")
    viewer = Viewer(names, is_small=False, every_s=0.0)
    assert [name for name, _ in viewer.due(dict.fromkeys(sorted(names), picture), 0.0)] == names


def test_no_picture_in_statistics_mode(page: Page) -> None:
    """The mode that shows nobody sends no picture and asks for none."""
    page.watch.current = parse_settings(f"{CAMERAS}privacy: {{mode: statistics}}\n")
    assert page.client().get("/api/v1/views?camera=door").status_code == 409
    assert page.client().get("/").status_code == 200
    assert page.bus.table(WANTED_TABLE) == {}
