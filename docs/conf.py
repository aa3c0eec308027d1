"""How Sphinx builds the site, `make docs`: the pages as they lie in the repository, and what the docstrings say."""

import re
import sys
from importlib import import_module
from inspect import getdoc, isroutine
from pathlib import Path
from pydoc import locate
from typing import get_args, get_origin

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger
from sphinx.util.typing import stringify_annotation

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
public_api = import_module("public_api")
# Before autodoc has added to the annotations of the classes.
PUBLIC = [line for distribution in public_api.PUBLIC for line in public_api.listing(distribution)]
logger = getLogger(__name__)

project = "kairos"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
include_patterns = ["*.md", "index.rst", "docs/**", "*/README.md", "examples/*/README.md"]
exclude_patterns = [".*", "build"]
html_theme = "furo"
html_title = project
html_show_copyright = False
myst_heading_anchors = 4

default_role = "any"  # `Query` in a docstring is a link, and an error if there is no such name
autodoc_default_options = {"undoc-members": True}  # a field is described by its class
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 100


def tidy_signature(*event: object) -> tuple[str, str] | None:
    """Write defaults that are functions, and say what a method of a generic class returns: what its subclass names."""
    _, _, name, _, _, signature, returns = event
    if signature is None:
        return None
    for base in getattr(locate(str(name).rpartition(".")[0]), "__orig_bases__", ()):
        parameters = getattr(get_origin(base), "__parameters__", ())
        for parameter, given in zip(parameters, get_args(base), strict=False):
            if str(returns).endswith(f".{parameter.__name__}"):
                returns = stringify_annotation(given, "smart")
    return re.sub(r"<built-in function (\w+)>", r"\1", str(signature)), str(returns)


def check_coverage(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public name that is not in the reference, or has no docstring to be shown there."""
    del app
    for line in PUBLIC:
        name = re.match(r"(?:class )?([\w.]+)", line)[1]
        found = locate(name)
        if name not in env.domains.python_domain.objects:
            logger.warning("%s is public and not in docs/api", name)
        elif (isroutine(found) or isinstance(found, property | type)) and not getdoc(found):
            logger.warning("%s is public and has no docstring", name)


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-signature", tidy_signature)
    app.connect("env-check-consistency", check_coverage)
