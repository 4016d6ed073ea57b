"""What is kept, in plain words: it follows the settings, and says nothing that does not hold."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from aggregator.store import Step, open_store
from aggregator.store_pictures import Picture
from maskwatch.cli.privacy import picture, privacy
from maskwatch.privacy_notice import notice, what_is_kept
from maskwatch.settings_privacy import PrivacySettings

BASIS = "Works agreement 12/2026, section 4"


@pytest.mark.parametrize(
    ("settings", "said", "never"),
    [
        pytest.param({"mode": "statistics", "least_people": 7}, "7 people and more", "is kept for", id="statistics"),
        pytest.param({}, "24 hours. Every face", "with clear faces", id="alerts"),
        pytest.param({"mode": "pictures", "i_have_a_legal_basis": BASIS}, BASIS, "grey", id="pictures"),
    ],
)
def test_each_mode_says_what_it_does(settings: dict[str, Any], said: str, never: str) -> None:
    """The sentences name the mode's pictures, times and group sizes, and the notice holds them all."""
    kept = PrivacySettings(**settings)
    said_of_it = what_is_kept(kept, 24.0)
    text = " ".join(said_of_it)
    assert said in text
    assert never not in text
    assert "Nobody is identified" in text
    hung_up = notice(said_of_it, who="Mill Ltd", contact="dpo@mill.example", purpose="hygiene")
    assert all(each in hung_up for each in (*said_of_it, "Mill Ltd", "dpo@mill.example", "hygiene"))


def test_the_command_reads_the_settings(tmp_path: Any) -> None:
    """`maskwatch privacy` says it, and with --notice writes the text for the door."""
    config = tmp_path / "site.yaml"
    config.write_text("privacy: {mode: statistics}\n")
    told = CliRunner().invoke(privacy, ["-c", str(config)])
    assert told.output.startswith("privacy mode: statistics\n- ")
    told = CliRunner().invoke(privacy, ["-c", str(config), "--notice", "--who", "Mill Ltd"])
    assert "Responsible: Mill Ltd" in told.output


def test_a_picture_is_taken_out(tmp_path: Any) -> None:
    """`maskwatch picture` writes an episode's picture as it is stored, and says why there is none."""
    store = open_store(tmp_path)
    kept = Picture("e-1", "door", 1.0, 640, 480, (1.0, 2.0, 3.0, 4.0), faces_hidden=True, jpeg=b"\xff\xd8\xff")
    store.commit(Step(pictures=[kept]))
    assert store.picture_of("e-1") == kept
    store.close()
    out = tmp_path / "out.jpg"
    told = CliRunner().invoke(picture, ["e-1", "-o", str(out), "--data-dir", str(tmp_path)])
    assert "faces hidden" in told.output
    assert out.read_bytes() == b"\xff\xd8\xff"
    told = CliRunner().invoke(picture, ["e-2", "-o", str(out), "--data-dir", str(tmp_path)])
    assert "no picture of the event e-2" in str(told.exception)
