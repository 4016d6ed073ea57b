"""The steps, numbered in their order; each names the one before it as `down_revision`."""
