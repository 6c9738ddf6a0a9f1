"""The site of the docs: `make docs` builds it, warnings are errors. Nothing is fetched, by the build or by a reader."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generate
import torch

import lipcert

torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the notebook: the same numbers on every machine
generate.write()

project = "lipcert"
author = "the lipcert contributors"
copyright = "the lipcert contributors, Apache-2.0"  # Sphinx's name
release = version = lipcert.__version__
extensions = ["myst_nb"]
exclude_patterns = ["generate/*", "generated/looseness.md", "_*"]
nitpicky = True
smartquotes = False  # x' is no apostrophe
language = "en-GB"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["mystnb.lexer"]

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_mime_priority_overrides = [("html", "image/svg+xml", 0)]
nb_merge_streams = True

html_theme = "furo"
html_title = f"lipcert {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
