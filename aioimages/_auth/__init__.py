"""Signing in: credentials, the catalog, and the one token that all calls of a client share."""
