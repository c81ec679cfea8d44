"""Content that the gateway serves by itself: texts, files and folders."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.headers import split_values
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest
from pytest_sharedworker.gateway.patterns import Origin

_UNKNOWN_TYPE = "application/octet-stream"
_STARTS_OF_PAGES = ("<!doctype html", "<html")
_LONGEST_START = max(map(len, _STARTS_OF_PAGES))


class _Content(Protocol):
    def respond(self, path: str, request: UpstreamRequest) -> RawResponse | None:
        """Return the response for a decoded path; None if there is no such content."""


class ServedContent:
    """What is served by path: the newest content of a path, else the folder with the longest path."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._exact: dict[str, _Content] = {}
        self._folders: dict[str, _Folder] = {}

    def serve(
        self,
        path: str,
        body: str | bytes,
        content_type: str | None,
        status: int,
        headers: Mapping[str, str] | None,
    ) -> None:
        """Serve text or bytes."""
        _check_path(path)
        if not isinstance(body, (str, bytes)):
            raise GatewayError(f"serve() takes text or bytes, not {body!r}; serve_file() serves a file")
        if not (isinstance(status, int) and 200 <= status <= 599):
            raise GatewayError(f"serve() needs a status from 200 to 599, not {status!r}")
        kind = content_type or mimetypes.guess_type(path)[0] or _guess_type_of_body(body)
        content = body.encode() if isinstance(body, str) else body
        self._exact[path] = _Body(RawResponse(status, _make_headers(kind, headers), content))

    def serve_file(self, path: str, file: Path, content_type: str | None) -> None:
        """Serve a file, as it is when it is requested."""
        _check_path(path)
        if not file.is_file():
            hint = "serve_directory() serves a folder" if file.is_dir() else "there is no such file"
            raise GatewayError(f"cannot serve {file} at {path}: {hint}")
        self._exact[path] = _File(file, content_type or _guess_type(path, file))

    def serve_directory(self, path: str, folder: Path, index: str, single_page: bool) -> None:
        """Serve the files of a folder, as they are when they are requested."""
        _check_path(path)
        if not folder.is_dir():
            hint = "serve_file() serves a file" if folder.is_file() else "there is no such folder"
            raise GatewayError(f"cannot serve {folder} at {path}: {hint}")
        if single_page and not (folder / index).is_file():
            raise GatewayError(f"cannot serve {folder} as a single-page app: it has no file {index!r}")
        prefix = path.rstrip("/") + "/"
        self._folders[prefix] = _Folder(prefix, folder, index, single_page)

    def respond(self, request: UpstreamRequest) -> RawResponse | None:
        """Return the response to a request; None where nothing is served for it."""
        if not request.url.startswith(self._origin.url + "/"):
            return None
        path = unquote(request.url.removeprefix(self._origin.url).partition("?")[0])
        if content := self._exact.get(path):
            return content.respond(path, request)
        for prefix in sorted(self._folders, key=len, reverse=True):
            if path.startswith(prefix) or path == prefix[:-1]:
                return self._folders[prefix].respond(path, request)
        return None


@dataclass(frozen=True)
class _Body:
    response: RawResponse

    def respond(self, path: str, request: UpstreamRequest) -> RawResponse | None:
        return self.response._replace(headers=self.response.headers.copy())


@dataclass(frozen=True)
class _File:
    file: Path
    content_type: str

    def respond(self, path: str, request: UpstreamRequest) -> RawResponse | None:
        try:
            return RawResponse(200, _make_headers(self.content_type), self.file.read_bytes())
        except OSError as error:
            return RawResponse.plain(404, f"cannot read the served file {self.file}: {error.strerror}")


@dataclass(frozen=True)
class _Folder:
    prefix: str
    folder: Path
    index: str
    single_page: bool

    def respond(self, path: str, request: UpstreamRequest) -> RawResponse | None:
        file = self._find(path.removeprefix(self.prefix)) if path.startswith(self.prefix) else self.folder
        if file is not None and file.is_dir():
            if not path.endswith("/"):
                return _redirect_to_folder(path, request) if self._find_index(file) else None
            file = self._find_index(file)
        if file is None and self.single_page and _is_navigation(path, request):
            file = self._find_index(self.folder)
        if file is None:
            return None
        return RawResponse(200, _make_headers(_guess_type(file.name, file)), file.read_bytes())

    def _find(self, relative: str) -> Path | None:
        """Return the file or folder at a path, unless that leads out of the folder."""
        try:
            found = (self.folder / relative).resolve()
            inside = found.is_relative_to(self.folder.resolve()) and not relative.startswith("/")
            is_there = found.is_dir() or (found.is_file() and not relative.endswith("/"))
        except (OSError, ValueError):  # A path with a NUL, or one that is too long.
            return None
        return found if inside and is_there else None

    def _find_index(self, folder: Path) -> Path | None:
        file = folder / self.index
        return file if file.is_file() else None


def _is_navigation(path: str, request: UpstreamRequest) -> bool:
    """Return whether a browser opens a page: no file is meant, and HTML is accepted."""
    names_file = "." in path.rpartition("/")[2]
    accepts_html = "text/html" in request.headers.get("Accept", "")
    return request.method in ("GET", "HEAD") and accepts_html and not names_file


def _redirect_to_folder(path: str, request: UpstreamRequest) -> RawResponse:
    # Without the slash a browser would resolve the index's relative URLs against the folder above.
    _, mark, query = request.url.partition("?")
    location = quote(path + "/") + mark + query
    headers = CIMultiDict({"Location": location, "Cache-Control": "no-store"})
    return RawResponse(307, headers, b"")


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        raise GatewayError(f"cannot serve at {path!r}: a path begins with a slash, such as {'/' + path!r}")
    if re.search("%[0-9a-fA-F]{2}", path):
        raise GatewayError(
            f"cannot serve at {path!r}: write the path without percent-encoding, {unquote(path)!r}"
        )
    if set(path) & set("?#*"):
        raise GatewayError(f"cannot serve at {path!r}: a path has no '?', '#' or '*'; a route takes patterns")


def _guess_type(name: str, file: Path) -> str:
    return mimetypes.guess_type(name)[0] or mimetypes.guess_type(file.name)[0] or _UNKNOWN_TYPE


def _guess_type_of_body(body: str | bytes) -> str:
    if isinstance(body, bytes):
        return _UNKNOWN_TYPE
    is_page = body.lstrip()[:_LONGEST_START].lower().startswith(_STARTS_OF_PAGES)
    return "text/html; charset=utf-8" if is_page else "text/plain; charset=utf-8"


def _make_headers(content_type: str, headers: Mapping[str, str] | None = None) -> CIMultiDict[str]:
    merged = CIMultiDict({"Content-Type": content_type, "Cache-Control": "no-store"})
    merged.update(split_values(headers or {}))
    return merged
