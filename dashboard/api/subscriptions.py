"""Does an alert get through? Marked tests for subscriptions; for admins, as subscriptions belong to no camera."""

from uuid import UUID

from fastapi import APIRouter, HTTPException

from aggregator.store_outbox import TEST, DeliveryState, Outbox, StoredDelivery
from dashboard.parts import Admin, Asked
from dashboard.site import Site
from maskwatch.frozen import Frozen

router = APIRouter(prefix="/subscriptions/{name}/test", tags=["subscriptions"])


class SentTest(Frozen):
    """A marked test, and what became of it."""

    key: str
    """Names this test."""
    state: DeliveryState
    """`waiting` for the dispatcher, `sent` when the subscriber took it, `discarded` when it did not or it was taken
    back."""
    error: str
    """Why it did not arrive; empty if it did, or was taken back."""


@router.post("", status_code=202, responses={403: {}, 404: {}})
def send_test(name: str, parts: Asked, visitor: Admin) -> SentTest:
    """Queue a marked test, as `maskwatch alerts test` does; the running dispatcher tries it once."""
    del visitor
    if name not in names_in_use(parts.site):
        raise HTTPException(404, "There is no such subscription, or it is switched off.")
    outbox = Outbox(parts.site.store().database)
    return _row(_find(outbox, name, outbox.add_test(name, parts.site.clock.time())))


@router.get("/{key}", responses={403: {}, 404: {}})
def read_test(name: str, key: UUID, parts: Asked, visitor: Admin) -> SentTest:
    """Say what became of a test."""
    del visitor
    return _row(_find(Outbox(parts.site.store().database), name, str(key)))


@router.delete("/{key}", responses={403: {}, 404: {}})
def withdraw_test(name: str, key: UUID, parts: Asked, visitor: Admin) -> SentTest:
    """Take a test back that still waits, so that it is not sent when nobody expects it any more."""
    del visitor
    outbox = Outbox(parts.site.store().database)
    waits = _find(outbox, name, str(key))
    outbox.withdraw(waits.key, parts.site.clock.time())
    return _row(_find(outbox, name, waits.key))


def names_in_use(site: Site) -> frozenset[str]:
    """Return the names of the subscriptions that are switched on."""
    return frozenset(each.name for each in site.settings.subscriptions if each.enabled)


def _find(outbox: Outbox, name: str, key: str) -> StoredDelivery:
    """Return a test of this subscription; no other delivery is shown or touched."""
    found = outbox.find(key)
    if found is None or found.subscription != name or found.kind != TEST:
        raise HTTPException(404, "There is no such test (any more).")
    return found


def _row(found: StoredDelivery) -> SentTest:
    return SentTest(key=found.key, state=found.state, error=found.error)
