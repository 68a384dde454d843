"""Fill in the templates of pages."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2

from datasets.errors import encodable


def page_text(
    template: Path,
    values: Mapping[str, Any],
    *,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    tests: Mapping[str, Callable[..., bool]] | None = None,
) -> str:
    """Return HTML in which texts are escaped, without what UTF-8 cannot encode, such as in the name of a folder.

    :param template: a Jinja file.
    :param values: by their names in the template; a missing one is an error.
    :param filters: of the template, as are `tests`, besides Jinja's.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(filters or {})
    environment.tests.update(tests or {})
    return encodable(environment.get_template(template.name).render(values))
