"""The pure floors, as tables of what goes in and what comes out."""
