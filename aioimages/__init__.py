"""The asyncio client for Rackspace Cloud Images and every OpenStack Images v2 (Glance) service."""

__version__ = "0.1.0"
