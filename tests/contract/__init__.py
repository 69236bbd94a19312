"""One suite for every cloud: what the client does, and what users meet."""
