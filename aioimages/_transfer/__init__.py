"""Image data on their way: streamed, checked, resumed."""
