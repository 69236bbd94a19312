"""The main job in one command: `python -m aioimages.demo`."""
