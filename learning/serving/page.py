"""The page of a server, where people drop photographs and see their classes."""

import base64
import hashlib
from pathlib import Path

from learning.reports.templates import page_text
from learning.serving.limits import Limits

FOLDER = Path(__file__).parent
TEMPLATE, SCRIPT, STYLE = "page.html.jinja", "page.js", "page.css"
NAMED = 12  # classes that the page lists


class Page:
    """One HTML document that asks only its own server for predictions, and nothing else.

    :ivar html: the document, with its script and its style inside.
    :ivar policy: the Content-Security-Policy that allows exactly these.
    """

    def __init__(self, name: str, class_names: tuple[str, ...], limits: Limits, *, has_maps: bool) -> None:
        """Write the document.

        :param has_maps: answers have maps of the regions that support a class.
        """
        script, style = ((FOLDER / file).read_text(encoding="utf-8") for file in (SCRIPT, STYLE))
        values = {
            "name": name,
            "named": class_names[:NAMED],
            "num_classes": len(class_names),
            "script": script,
            "style": style,
            "has_maps": has_maps,
            "settings": {"requestBytes": limits.request_bytes},
        }
        self.html = page_text(FOLDER / TEMPLATE, values)
        self.policy = "; ".join(
            [
                "default-src 'none'",
                f"script-src {_allowed(script)}",
                f"style-src {_allowed(style)}",
                "img-src data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )


def _allowed(text: str) -> str:
    """Return the source expression of an inline script or style."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
