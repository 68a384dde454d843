"""The addresses that a server answers, as an ASGI application."""

import asyncio
from collections.abc import Sequence
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from datasets.errors import escape_name
from datasets.images.decode import ImageError
from learning.inference.explanation import overlay
from learning.inference.prediction import top_classes
from learning.pictures.in_memory import data_uri, png
from learning.serving import tensorflow_serving
from learning.serving.classifier import Answer
from learning.serving.limits import Refused
from learning.serving.page import Page
from learning.serving.service import Service

TOP_K = 5  # classes in an answer
FORM = "multipart/form-data"
MOST_FILES, MOST_FIELDS = 1000, 8  # of a form; files are counted once more when it was read


class Endpoints:
    """The functions behind the addresses."""

    def __init__(self, name: str, service: Service, page: Page) -> None:
        self.name, self._service, self._page = name, service, page
        self._class_names = service.classifier.class_names
        self._parsing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the addresses."""
        model = "/v1/models/{name}"
        version = f"{model}/versions/{{version}}"
        return [
            Route("/", self.page),
            Route("/health", self.health),
            Route("/predict", self.predict, methods=["POST"]),
            *(Route(path, self.status) for path in (model, version)),
            *(
                Route(f"{path}:predict", self.tensorflow_predict, methods=["POST"])
                for path in (model, version)
            ),
        ]

    async def page(self, request: Request) -> Response:
        """Return the page for people."""
        return HTMLResponse(self._page.html, headers={"Content-Security-Policy": self._page.policy})

    async def health(self, request: Request) -> Response:
        """Return how many images are waiting."""
        return JSONResponse({"status": "ok", "model": self.name, "waiting": self._service.images.used})

    async def predict(self, request: Request) -> Response:
        """Label the image in the body, or the files of a form; the row of an unreadable one holds the reason."""
        _check_options(request)
        top_k, has_pictures = _top_k(request), _has_pictures(request)
        names, files = await _files(request)
        found = await self._service.label(files, has_pictures=has_pictures)
        rows = await self._service.in_thread(self._rows, names, found, top_k)
        if all("error" in row for row in rows):
            raise Refused(422, "; ".join(_reason(row) for row in rows))
        return JSONResponse({"model": self.name, "predictions": rows})

    def _rows(
        self, names: Sequence[str | None], found: Sequence[Answer | ImageError], top_k: int
    ) -> list[dict[str, Any]]:
        return [self._row(name, outcome, top_k) for name, outcome in zip(names, found, strict=True)]

    def _row(self, name: str | None, outcome: Answer | ImageError, top_k: int) -> dict[str, Any]:
        if isinstance(outcome, ImageError):
            return {"file": name, "error": str(outcome)}
        best = top_classes(outcome.probabilities, self._class_names, top_k)
        row = {"file": name, "classes": [{"name": label, "probability": value} for label, value in best]}
        return row | _pictures(outcome)

    async def status(self, request: Request) -> Response:
        """Return the status of the model as TensorFlow Serving does."""
        self._check_model(request)
        return JSONResponse(tensorflow_serving.status_response())

    async def tensorflow_predict(self, request: Request) -> Response:
        """Label images as TensorFlow Serving does."""
        self._check_model(request)
        body, channels = await request.body(), self._service.classifier.image_shape[-1]
        async with self._parsing:  # of one body at a time, since numbers as text take ten times their memory
            asked = await self._service.in_thread(tensorflow_serving.parse_predict, body, channels)
        found = await self._service.label(asked.images)
        answer = tensorflow_serving.predict_response(
            _probabilities(found), self._class_names, is_row=asked.is_row
        )
        return JSONResponse(answer)

    def _check_model(self, request: Request) -> None:
        name, version = request.path_params["name"], request.path_params.get("version")
        if name != self.name or version not in (None, tensorflow_serving.VERSION):
            asked = escape_name(name if version is None else f"{name}, version {version}")
            raise Refused(
                404, f"there is no model {asked}; there is {self.name}, version {tensorflow_serving.VERSION}"
            )


def _pictures(answer: Answer) -> dict[str, str]:
    """Return what the network saw and, if there is one, the map of the best class over it, as data URIs."""
    if answer.crop is None:
        return {}
    pictures = {"crop": answer.crop}
    if answer.heat is not None:
        pictures["map"] = overlay(answer.crop, answer.heat)
    return {name: data_uri(png(pixels)) for name, pixels in pictures.items()}


def _reason(row: dict[str, Any]) -> str:
    return f"{row['file']}: {row['error']}" if row["file"] else row["error"]


def _probabilities(found: Sequence[Answer | ImageError]) -> list[Any]:
    """Return the probabilities of all images; Refused if one cannot be read, as TensorFlow Serving does."""
    for place, outcome in enumerate(found):
        if isinstance(outcome, ImageError):
            raise Refused(400, f"image {place}: {outcome}")
    return [outcome.probabilities for outcome in found if isinstance(outcome, Answer)]


def _check_options(request: Request) -> None:
    """Refuse an unknown option of the query, such as a misspelt one."""
    if unknown := sorted(set(request.query_params) - {"top_k", "pictures"}):
        raise Refused(400, f"there is no option {unknown[0]!r:.40}; there are top_k and pictures")


def _top_k(request: Request) -> int:
    text = request.query_params.get("top_k", str(TOP_K))
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise Refused(400, f"top_k is {text!r}; give a whole number of at least 1")
    return int(text)


def _has_pictures(request: Request) -> bool:
    text = request.query_params.get("pictures", "false")
    if text not in ("true", "false"):
        raise Refused(400, f"pictures is {text!r}; give true or false")
    return text == "true"


async def _files(request: Request) -> tuple[list[str | None], list[bytes]]:
    """Return the names and the contents of the images: the files of a form, or the body."""
    if not request.headers.get("content-type", "").lower().startswith(FORM):
        return [None], [await request.body()]
    try:
        async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            names = [escape_name(file.filename) if file.filename else None for file in files]
            return names, [await file.read() for file in files]
    except FormParserError as error:  # which later versions of Starlette turn into their own
        raise Refused(400, f"the form cannot be read: {error}") from error


async def _refused(request: Request, error: Any) -> Response:
    return JSONResponse(error.content, error.status, error.headers)


async def _unknown(request: Request, error: Any) -> Response:
    """Answer an error of Starlette's: no such address, another method, a form that cannot be read."""
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    """Answer after a fault of the server; only its log has the reason."""
    return JSONResponse({"error": "the server failed; its log has the reason"}, 500)


def make_app(name: str, service: Service, page: Page) -> Starlette:
    """Return the application, without the checks of `guard`.

    :param name: of the model, in the addresses of TensorFlow Serving.
    """
    handlers = {Refused: _refused, HTTPException: _unknown, Exception: _failed}
    return Starlette(routes=Endpoints(name, service, page).routes(), exception_handlers=handlers)
