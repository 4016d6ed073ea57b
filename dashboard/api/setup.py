"""How a camera is set up, and whether it is fit to judge masks."""

from fastapi import APIRouter, HTTPException

from dashboard.judging import Judging, judge
from dashboard.parts import Admin, Asked, Someone, must_see
from maskwatch.frozen import Frozen
from maskwatch.settings import CameraSettings, Point, Zone
from maskwatch.settings_file import dump_camera

DAY_MINUTES = 24 * 60

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


def _camera(parts: Asked, camera_id: str) -> CameraSettings:
    camera = parts.site.settings.active.get(camera_id)
    if camera is None:
        raise HTTPException(404, "There is no such camera.")
    return camera
