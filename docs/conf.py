"""How the documentation is built."""

import sys
from pathlib import Path

import aioimages

sys.path.insert(0, str(Path(__file__).parent))

project = "aioimages"
version = release = aioimages.__version__
html_title = f"{project} {version}"
html_theme = "furo"
extensions = ["fault_table", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"
