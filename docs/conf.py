"""How Sphinx builds the site. Nothing is fetched: no fonts, no scripts from elsewhere."""

project = "copier-training-outputs"
extensions = ["myst_parser"]
exclude_patterns: list[str] = []
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 3
