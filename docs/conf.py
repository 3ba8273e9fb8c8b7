"""Settings of the documentation; `make docs` builds it with warnings as errors."""

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

project = "gesso"
author = "the gesso contributors"
extensions = ["myst_parser", "sphinx.ext.doctest"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "gesso"
myst_heading_anchors = 3
doctest_test_doctest_blocks = ""  # only blocks marked as doctest, which tests/docs runs too


def setup(app: Sphinx) -> None:
    """Show Mermaid diagrams as their source; GitHub draws them, and nothing is fetched to read them here."""
    app.add_lexer("mermaid", TextLexer)
