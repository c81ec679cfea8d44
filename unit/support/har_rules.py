"""The rules of HAR 1.2 (Jan Odvarko's specification) as checks: the fields and their types."""

from __future__ import annotations

import re
from typing import Any

_ISO_8601_MS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)")

NUMBER = (int, float)
_PAIR = {"name": str, "value": str}
_COOKIE = {"name": str, "value": str}
_COOKIE_OPTIONAL = {
    "path": str,
    "domain": str,
    "expires": str,
    "httpOnly": bool,
    "secure": bool,
    "comment": str,
}


def list_violations(document: Any) -> list[str]:
    """Return the violations of the specification in a HAR document, as sentences."""
    checker = _Checker()
    checker.document(document)
    return checker.violations


class _Checker:
    def __init__(self) -> None:
        self.violations: list[str] = []

    def fields(
        self, where: str, value: Any, required: dict[str, Any], optional: dict[str, Any] | None = None
    ) -> bool:
        """Check that an object has the required fields, and others only if known or with an underscore."""
        if not isinstance(value, dict):
            self.violations.append(f"{where} is no object")
            return False
        known = {**required, **(optional or {}), "comment": str}
        self.violations += [f"{where}.{name} is missing" for name in required.keys() - value.keys()]
        for name, field in value.items():
            if name.startswith("_"):
                continue
            if name not in known:
                self.violations.append(f"{where}.{name} is unknown; custom fields begin with an underscore")
            elif not isinstance(field, known[name]) or (isinstance(field, bool) and known[name] is not bool):
                self.violations.append(f"{where}.{name} has the wrong type: {field!r}")
        return not required.keys() - value.keys()

    def rule(self, holds: bool, sentence: str) -> None:
        if not holds:
            self.violations.append(sentence)

    def document(self, document: Any) -> None:
        if not self.fields("document", document, {"log": dict}):
            return
        log = document["log"]
        required = {"version": str, "creator": dict, "entries": list}
        if not self.fields("log", log, required, {"browser": dict, "pages": list}):
            return
        self.rule(log["version"] == "1.2", "log.version is not 1.2")
        self.fields("creator", log["creator"], {"name": str, "version": str})
        for page in log.get("pages", []):
            required = {"startedDateTime": str, "id": str, "title": str, "pageTimings": dict}
            if self.fields("page", page, required):
                self.date(page["startedDateTime"])
        ids = [page["id"] for page in log.get("pages", [])]
        self.rule(len(ids) == len(set(ids)), "two pages have one id")
        for entry in log["entries"]:
            self.entry(entry, ids)
        dates = [entry["startedDateTime"] for entry in log["entries"]]
        self.rule(dates == sorted(dates), "entries are not in the order of time")

    def date(self, text: str) -> None:
        self.rule(_ISO_8601_MS.fullmatch(text) is not None, f"{text!r} is no ISO 8601 date with ms")

    def entry(self, entry: Any, pages: list[str]) -> None:
        required = {
            "startedDateTime": str, "time": NUMBER, "request": dict, "response": dict, "cache": dict,
            "timings": dict,
        }  # fmt: skip
        optional = {"pageref": str, "serverIPAddress": str, "connection": str}
        if not self.fields("entry", entry, required, optional):
            return
        self.date(entry["startedDateTime"])
        self.rule(entry.get("pageref", pages[0]) in pages, f"no page {entry.get('pageref')!r}")
        self.timings(entry)
        self.request(entry["request"])
        self.response(entry["response"])

    def timings(self, entry: dict[str, Any]) -> None:
        timings = entry["timings"]
        optional = dict.fromkeys(("blocked", "dns", "connect", "ssl"), NUMBER)
        if self.fields("timings", timings, dict.fromkeys(("send", "wait", "receive"), NUMBER), optional):
            for name in ("send", "wait", "receive"):
                self.rule(timings[name] >= 0, f"timings.{name} is negative")
            total = sum(value for name, value in timings.items() if value >= 0 and name != "ssl")
            self.rule(abs(entry["time"] - total) < 0.01, "entry.time is not the sum of its timings")

    def message(self, where: str, message: dict[str, Any]) -> None:
        for header in message["headers"]:
            self.fields(f"{where} header", header, _PAIR)
        for cookie in message["cookies"]:
            self.fields(f"{where} cookie", cookie, _COOKIE, _COOKIE_OPTIONAL)
        for size in ("headersSize", "bodySize"):
            self.rule(message[size] >= -1, f"{where}.{size} is below -1")

    def request(self, request: Any) -> None:
        required = {
            "method": str, "url": str, "httpVersion": str, "cookies": list, "headers": list,
            "queryString": list, "headersSize": int, "bodySize": int,
        }  # fmt: skip
        if not self.fields("request", request, required, {"postData": dict}):
            return
        self.message("request", request)
        self.rule(re.match(r"https?://", request["url"]) is not None, "request.url is not absolute")
        self.rule("#" not in request["url"], "request.url has a fragment")
        for pair in request["queryString"]:
            self.fields("queryString", pair, _PAIR)
        if "postData" in request:
            self.fields("postData", request["postData"], {"mimeType": str}, {"params": list, "text": str})

    def response(self, response: Any) -> None:
        required = {
            "status": int, "statusText": str, "httpVersion": str, "cookies": list, "headers": list,
            "content": dict, "redirectURL": str, "headersSize": int, "bodySize": int,
        }  # fmt: skip
        if not self.fields("response", response, required):
            return
        self.message("response", response)
        optional = {"compression": int, "text": str, "encoding": str}
        self.fields("content", response["content"], {"size": int, "mimeType": str}, optional)
