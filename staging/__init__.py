"""Staging: from a recording's channels to a scored hypnogram, by one of several stagers."""
