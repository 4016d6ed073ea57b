"""How a camera is set up, whether it is fit to judge masks, and when nobody looked through it."""

from fastapi import APIRouter, HTTPException

from aggregator.store_browse import Wanted, find_events
from aggregator.store_minutes import observed_minutes
from dashboard.judging import Judging, judge
from dashboard.parts import Admin, Asked, Someone, must_see
from dashboard.watching import Span, unwatched
from maskwatch.domain import EventKind
from maskwatch.frozen import Frozen
from maskwatch.settings_camera import CameraSettings, Point, Zone
from maskwatch.settings_dump import dump_camera

DAY_MINUTES = 24 * 60
DARK = (EventKind.CAMERA_OFFLINE, EventKind.CAMERA_FROZEN, EventKind.CAMERA_COVERED)
"""Episodes in which a camera is known not to have seen."""
MOST_EPISODES = 1000

router = APIRouter(prefix="/cameras/{camera_id}", tags=["cameras"])


class Setup(Frozen):
    """What an installer wants to see of a camera."""

    yaml: str
    """Its effective settings, with secrets hidden."""
    zones: tuple[Zone, ...]
    privacy_masks: tuple[tuple[Point, ...], ...]


@router.get("/setup", responses={403: {}, 404: {}})
def read_setup(camera_id: str, parts: Asked, visitor: Admin) -> Setup:
    """Return a camera's effective settings, zones and privacy masks; for admins."""
    must_see(visitor, camera_id)
    camera = _camera(parts, camera_id)
    return Setup(yaml=dump_camera(camera), zones=camera.zones, privacy_masks=camera.privacy_masks)


@router.get("/judging", responses={404: {}})
def read_judging(camera_id: str, parts: Asked, visitor: Someone) -> Judging:
    """Say how fit a camera is to judge masks, by the faces it saw in 24 hours."""
    must_see(visitor, camera_id)
    camera = _camera(parts, camera_id)
    minute = int(parts.site.clock.time() // 60) - DAY_MINUTES
    faces = parts.site.store().counted_since(minute, "faces").get(camera_id, {})
    return judge(faces, camera.min_face_px)


@router.get("/unwatched", responses={404: {}})
def read_unwatched(camera_id: str, parts: Asked, visitor: Someone) -> tuple[Span, ...]:
    """List when in the last 24 hours nobody looked: no picture was observed, and no episode of the camera says why."""
    must_see(visitor, camera_id)
    _camera(parts, camera_id)
    now = parts.site.clock.time()
    begin = now - 60 * DAY_MINUTES
    with parts.site.store().database.reading() as connection:
        observed = observed_minutes(connection, camera_id, int(begin // 60), int(now // 60) + 1)
        wanted = Wanted(begin=begin, end=now, cameras=[camera_id], kinds=DARK)
        found = [each.event for each in find_events(connection, wanted, MOST_EPISODES)]
    episodes = [(each.started_at, now if each.closed_at is None else each.closed_at) for each in found]
    return unwatched(observed, episodes, begin, now)


def _camera(parts: Asked, camera_id: str) -> CameraSettings:
    camera = parts.site.settings.active.get(camera_id)
    if camera is None:
        raise HTTPException(404, "There is no such camera.")
    return camera
