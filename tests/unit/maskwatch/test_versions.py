"""Versions of what lies on the bus: a reader of version N reads N and N - 1, and refuses what comes after.

`wire_vN.json` holds one of each message and table row as version N wrote it, every field filled in. If the first test
fails and the change is meant: raise `SCHEMA` (or `EVENTS_SCHEMA`) in `maskwatch/contracts.py`, teach `_lifted` there
what the version before wrote otherwise, write the new file, and delete that of the version which nobody reads any more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from maskwatch import contracts
from maskwatch.contracts import ViewMessage
from maskwatch.errors import BadMessage
from maskwatch.reports import readable
from tests.unit.maskwatch.wire import MESSAGES, ROWS, written

HERE = Path(__file__).parent
BEFORE, NOW = (f"wire_v{version}.json" for version in contracts.READABLE)


def kept(name: str) -> dict[str, dict[str, Any]]:
    """Return what a version wrote."""
    tree: dict[str, dict[str, Any]] = json.loads((HERE / name).read_text())
    return tree


def of_before(name: str) -> dict[str, bytes]:
    """Return the fields of a message of the version before."""
    return {field: text.encode("latin-1") for field, text in kept(BEFORE)["messages"][name].items()}


def test_what_is_written_is_what_its_version_wrote() -> None:
    """No field is added, renamed or dropped without a new version; files of other versions are not kept."""
    assert written() == kept(NOW)
    assert {file.name for file in HERE.glob("wire_v*.json")} == {BEFORE, NOW}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_the_version_before_is_read(name: str) -> None:
    """What a worker of the version before put into a stream means the same to this one."""
    fields = of_before(name)
    assert fields["v"] == str(MESSAGES[name].version - 1).encode()
    assert MESSAGES[name].read(fields) == MESSAGES[name].value


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_a_later_version_is_refused(name: str) -> None:
    """It raises BadMessage, which sets a message aside, and says which versions are read."""
    message = MESSAGES[name]
    later = message.write(message.value) | {"v": str(message.version + 1).encode()}
    with pytest.raises(BadMessage, match=rf"schema version b'{message.version + 1}', this version reads \[1, 2\]"):
        message.read(later)


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_other_versions(name: str) -> None:
    """A row of the version before is read; one with a field of a later version is left out, and the others stay."""
    row = ROWS[name]
    before = kept(BEFORE)["tables"].get(name, kept(NOW)["tables"][name]).encode()  # the version before had less tables
    later = json.dumps(json.loads(row.write(row.value)) | {"from_a_later_version": 1}).encode()
    assert readable({"a": before, "b": later, "c": row.write(row.value)}, row.read) == {"a": row.value, "c": row.value}


@pytest.mark.parametrize("odd", [{"sharpness": b"["}, {"sharpness": b"[]", "head": b"[]"}, {"sharpness": b'["x"]'}])
def test_an_odd_view_of_the_version_before(odd: dict[str, bytes]) -> None:
    """One whose two parts do not fit together is refused like any other message that does not decode."""
    with pytest.raises(BadMessage, match="sharpness"):
        ViewMessage.from_fields(of_before("view") | odd)
