"""How the client gets its answers: retries, connections, lifetimes."""
