"""Cameras as they are now, and their pictures."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response, StreamingResponse

from dashboard.board import CameraCard
from dashboard.parts import Asked, Someone, must_see, while_let_in

CAMERAS_AT_ONCE = 200
PICTURE_WITHIN_S = 3.0
STREAM = "application/vnd.maskwatch.views"

router = APIRouter(tags=["cameras"])


@router.get("/cameras")
def list_cameras(parts: Asked, visitor: Someone) -> list[CameraCard]:
    """List every camera with its state, the people in view and the day's compliance."""
    cards = parts.site.look().cards
    return [card for name, card in cards.items() if visitor.may_see(name)]


@router.get("/cameras/{camera_id}", responses={404: {}})
def read_camera(camera_id: str, parts: Asked, visitor: Someone) -> CameraCard:
    """Return one camera."""
    must_see(visitor, camera_id)
    card = parts.site.look().cards.get(camera_id)
    if card is None:
        raise HTTPException(404, "There is no such camera.")
    return card


@router.get(
    "/cameras/{camera_id}/picture.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, 404: {}, 409: {}},
)
async def read_picture(camera_id: str, parts: Asked, visitor: Someone) -> Response:
    """Return a picture taken just now, without boxes, faces hidden as the privacy mode says; 404 if none comes."""
    _must_have(parts, visitor, camera_id)
    newer_than = parts.site.clock.time() - parts.site.settings.dashboard.picture_limit_s
    picture = await parts.views.one(camera_id, newer_than=newer_than, within_s=PICTURE_WITHIN_S)
    if picture is None:
        raise HTTPException(404, "No picture came from this camera.")
    return Response(picture.jpeg, media_type="image/jpeg", headers={"X-Captured-At": f"{picture.captured_at:.3f}"})


@router.get("/views", response_class=StreamingResponse, responses={200: {"content": {STREAM: {}}}, 404: {}, 409: {}})
async def stream_views(
    request: Request,
    parts: Asked,
    visitor: Someone,
    camera: Annotated[list[str], Query(min_length=1, max_length=CAMERAS_AT_ONCE)],
    small: Annotated[bool, Query(description="At most 480 pixels wide, and fewer a second: for a wall.")] = False,
) -> StreamingResponse:
    """Stream the pictures of some cameras with their boxes, as `dashboard/views.py` says, the newest only."""
    for name in camera:
        _must_have(parts, visitor, name)
    every_s = 1 / parts.site.settings.dashboard.wall_fps if small else 0.0
    stream = parts.views.follow(camera, is_small=small, every_s=every_s)
    return StreamingResponse(while_let_in(request, stream), media_type=STREAM, headers={"X-Accel-Buffering": "no"})


def _must_have(parts: Asked, visitor: Someone, camera_id: str) -> None:
    """Refuse what may not be seen, and what there is not."""
    must_see(visitor, camera_id)
    if camera_id not in parts.site.settings.active:
        raise HTTPException(404, "There is no such camera.")
    if not parts.site.shows_people:
        raise HTTPException(409, "The privacy mode `statistics` shows no picture.")
