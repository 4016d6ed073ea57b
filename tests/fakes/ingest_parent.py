"""An ingest process as the CLI runs it, for tests that kill it: bus address and settings file as arguments."""

from __future__ import annotations

import sys
from pathlib import Path

from ingest.fleet import IngestFleet
from maskwatch.bus_routed import BusAddress
from maskwatch.clock import SystemClock
from maskwatch.heartbeat import Stop
from maskwatch.settings_file import SettingsWatch

if __name__ == "__main__":
    bus_url, file = sys.argv[1], Path(sys.argv[2])
    watch, address = SettingsWatch(file), BusAddress(bus_url)
    IngestFleet(settings=watch.current, bus_address=address, clock=SystemClock(), watch=watch).run(Stop())
