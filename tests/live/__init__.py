"""What needs a real cloud, and somebody else's client."""
