"""The embedded cloud, asked over plain HTTP as any program would ask it."""
