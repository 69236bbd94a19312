"""Every fault of the matrix, put in over a real socket."""
