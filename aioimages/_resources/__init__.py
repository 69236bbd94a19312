"""The verbs of the client, a class a resource. They check, make a call, and run it."""
