"""Observation to Event: orders, tracks, judges, keeps the frame ledger, stores and counts."""
