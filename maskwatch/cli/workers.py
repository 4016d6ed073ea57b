"""The stages, each alone: `ingest`, `detect`, `aggregate`."""
