"""Alerts: which subscriber is told of which change, when, in which words, by which way, and that it arrives."""
