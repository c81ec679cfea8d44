"""Parse a URL glob into tokens, which tell whether they match any text with a given prefix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


class GlobError(ValueError):
    """A malformed glob."""


class Token:
    """A part of a glob. `advance` simulates it on the text that every URL begins with."""

    regex: str

    def advance(self, text: str, start: int) -> Iterable[int]:
        """Return the positions that it can reach; the text's length means its end or any later position."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Literal(Token):
    character: str

    @property
    def regex(self) -> str:  # type: ignore[override]
        return re.escape(self.character)

    def advance(self, text: str, start: int) -> Iterable[int]:
        if start == len(text):
            return (start,)
        return (start + 1,) if text[start] == self.character else ()


class _Star(Token):
    regex = "[^/]*"

    def advance(self, text: str, start: int) -> Iterable[int]:
        slash = text.find("/", start)
        return range(start, (len(text) if slash < 0 else slash) + 1)


class _DoubleStar(Token):
    regex = ".*"

    def advance(self, text: str, start: int) -> Iterable[int]:
        return range(start, len(text) + 1)


class _Folders(Token):
    """`**/`: everything up to a slash."""

    regex = "(?:.*/)"

    def advance(self, text: str, start: int) -> Iterable[int]:
        slashes = (place + 1 for place in range(start, len(text)) if text[place] == "/")
        return {*slashes, len(text)}


class _InnerFolders(Token):
    """`**/` behind a slash: any number of folders, or none."""

    regex = "(?:.+/|)"

    def advance(self, text: str, start: int) -> Iterable[int]:
        slashes = (place + 1 for place in range(start + 1, len(text)) if text[place] == "/")
        return {start, *slashes, len(text)}


@dataclass(frozen=True)
class _Group(Token):
    alternatives: tuple[tuple[Token, ...], ...]

    @property
    def regex(self) -> str:  # type: ignore[override]
        return f"(?:{'|'.join(''.join(token.regex for token in each) for each in self.alternatives)})"

    def advance(self, text: str, start: int) -> Iterable[int]:
        return set().union(*(advance(each, text, {start}) for each in self.alternatives))


def advance(tokens: Iterable[Token], text: str, positions: set[int]) -> set[int]:
    """Return the positions in `text` that the tokens can reach from `positions`."""
    for token in tokens:
        positions = {reached for start in positions for reached in token.advance(text, start)}
    return positions


def parse_glob(glob: str) -> list[Token]:
    """Return the tokens of a glob. Raise GlobError for one that is malformed."""
    tokens: list[Token] = []
    alternatives: list[tuple[Token, ...]] | None = None
    before_group: list[Token] = []
    index = 0
    while index < len(glob):
        character = glob[index]
        if character == "\\":
            if index + 1 == len(glob):
                raise GlobError("it ends with a backslash that escapes nothing")
            index += 1
            tokens.append(_Literal(glob[index]))
        elif character == "*":
            end = index
            while glob[end : end + 1] == "*":
                end += 1
            if end - index == 1:
                tokens.append(_Star())
            elif glob[end : end + 1] == "/":
                tokens.append(_InnerFolders() if glob[index - 1 : index] == "/" else _Folders())
                end += 1
            else:
                tokens.append(_DoubleStar())
            index = end - 1
        elif character == "{":
            if alternatives is not None:
                raise GlobError("braces cannot be nested")
            before_group, tokens, alternatives = tokens, [], []
        elif character in ",}" and alternatives is not None:
            alternatives.append(tuple(tokens))
            tokens = []
            if character == "}":
                tokens, alternatives = [*before_group, _Group(tuple(alternatives))], None
        elif character == "}":
            raise GlobError("unmatched '}'; write '\\}' for the character")
        else:
            tokens.append(_Literal(character))
        index += 1
    if alternatives is not None:
        raise GlobError("unmatched '{'; write '\\{' for the character")
    return tokens
