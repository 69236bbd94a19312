"""Bulk runs on more than one machine."""
