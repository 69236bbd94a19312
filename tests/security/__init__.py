"""What nobody may learn, reach or overwrite: each claim of `docs/security.md` is a test here or is named there."""
