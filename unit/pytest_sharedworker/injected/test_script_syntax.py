"""How modules and strict scripts are recognized by their text."""

from __future__ import annotations

import pytest

from pytest_sharedworker.injected.script_syntax import has_static_imports, is_strict

MODULES = {
    "side effect only": b'import "./a.js";',
    "default": b'import a from "./a.js";',
    "default and named": b"import a, { b as c } from './a.js'",
    "all": b'import * as a from "./a.js"',
    "several lines": b'import {\n  a,\n  b as c,\n} from "./a.js";',
    "minified": b'import{a}from"./a.js";import*as b from"./b.js";a()',
    "minified, after a statement": b'self.x=1;import"./a.js"',
    "behind a licence": b'/*! licence (c) */import{a}from"./a.js"',
    "behind a comment with a quote": b'// it\'s\nimport a from "./a.js"',
    "behind a regular expression with quotes": b'const quote = /["\'`]/;\nimport a from "./a.js"',
    "behind a string with a comment's beginning": b'const glob = "/*";\nimport a from "./a.js"',
    "with an attribute": b'import a from "./a.json" with { type: "json" };',
    "export of a declaration": b"export const a = 1;",
    "export list": b"const a=1;export{a as b};",
    "export of another module": b'export*from"./a.js"',
    "name in quotes": b"import { 'a-b' as a, c } from './a.js'; a();",
    "quote in a pattern behind return": b"const f = (a) => { return /`/.test(a); };\nexport { f };",
    "divisions": b"const f = (a) / 2 / 3; const g = f++ / 2; const t = `/`;\nexport { f };",
    "Windows lines": b'const a = 1;\r\nimport b from "./b.js";\r\n',
    "behind a comment that a carriage return ends": b'// comment\rimport a from "./a.js";\r',
    "behind nested templates": b'const a = `${ { b: `}` }.b }`; const c = `\\${`;\nimport d from "./d.js";',
    "behind a dollar sign in a template": b'const a = `$`, b = `{`;\nimport c from "./c.js";',
}

CLASSIC_OR_UNDECIDED = {
    "nothing": b"",
    "importScripts": b'importScripts("./a.js");',
    "importScripts and a word": b'importScripts("./a.js"); const kept = "taken from";',
    "dynamic": b'const a = await import("./a.js");',
    "dynamic at a line's start": b'import("./a.js").then(({ from }) => from("x"));',
    "import.meta": b"import.meta.url;",
    "a name that begins so": b'imports = {};\n// taken from "./a.js"',
    "an exported name": b"exports = { a: 1 };",
    "line comment": b'// import a from "./a.js"\nself.a = 1;',
    "block comment": b'/*\nimport a from "./a.js"\n*/ self.a = 1;',
    "example in documentation": b'/**\n * @example\n import a from "./a.js"\n */',
    "string": b"const code = 'x;import \"./a.js\"';",
    "string over lines": b"const code = 'a\\\nimport \"./a.js\"';",
    "template": b'const code = `\nimport a from "./a.js";\n`;',
    "template in a template": b"const code = `a ${ `\nimport a from 'b';\n` }`;",
    "templates that a function in a template makes": (
        b"const code = `${a.map((b) => { return `\nexport const b;\n`; })}`;"
    ),
    "template behind an object in a template": b"const code = `${ { a: `}` }.a }\nimport a from 'b';\n`;",
    "template behind a regular expression in a template": (
        b"const c = `${/[`}]/.test(a) ? `\nexport {};\n` : 1}`;"
    ),
    "template without an end": b"const code = `${ `\nimport a from 'b';",
    "regular expression": b'const code = /;import "a"/;',
    "template behind a regular expression of an arrow": (
        b'const hasTick = (text) => /`/.test(text);\nconst code = `\nimport a from "a";\n`;'
    ),
    "template behind a regular expression of return": (
        b"function f(a) { return /`/.test(a); }\nconst code = `\nexport default {};\n`;"
    ),
    "template behind a regular expression of if": (
        b"if (a) /`/g.test(a) && f();\nconst code = `\nexport default {};\n`;"
    ),
    "template behind typeof": b"typeof /[`]/;\nconst code = `\nexport default {};\n`;",
    "key": b"const table = {\n  import: 1,\n  export: 2,\n};",
    "member": b"module\n  .import (a)",
}


@pytest.mark.parametrize("script", MODULES.values(), ids=MODULES.keys())
def test_script_with_imports_or_exports_is_a_module(script: bytes) -> None:
    assert has_static_imports(script)


@pytest.mark.parametrize("script", CLASSIC_OR_UNDECIDED.values(), ids=CLASSIC_OR_UNDECIDED.keys())
def test_script_that_only_mentions_imports_is_no_module(script: bytes) -> None:
    assert not has_static_imports(script)


def test_large_bundle_is_scanned_in_time() -> None:
    bundle = b'const text="it\'s";function f(a){return a/2+`${a}`}/* x */\n' * 20_000
    assert not has_static_imports(bundle)
    assert has_static_imports(bundle + b"export{f};")


@pytest.mark.parametrize(
    ("script", "strict"),
    [
        (b'"use strict"; a = 1', True),
        (b"'use strict'\na = 1", True),
        (b'/* licence */\n// more\n"use strict";', True),
        (b'a = 1; "use strict";', False),
        (b'f("use strict")', False),
        (b"", False),
    ],
)
def test_strict_script_begins_with_the_directive(script: bytes, strict: bool) -> None:
    assert is_strict(script) is strict


@pytest.mark.parametrize(
    "script",
    [
        b"'use asm'; 'use strict'; a();",
        b"'use asm'\n'use strict'\na();",
        b"/* a */ // b\n'other';\n\"use strict\"",
        b"'use strict'\n!function () {}()",
        b"'use strict' /* c */ ;",
        b"'use strict'\n++a",
        b"'use strict'\ra()",
        b"// a\r'use strict'\ra()",
        "'use strict'\u2028a()".encode(),
        "// a\u2029'use strict'\u2029a()".encode(),
        "\u00a0\u3000\ufeff'use strict'\u00a0;".encode(),
        b"'use strict'\ninside()",
    ],
)
def test_strictness_is_among_the_directives(script: bytes) -> None:
    assert is_strict(script)


@pytest.mark.parametrize(
    "script",
    [
        b"'use strict' + a;",
        b"'use strict'\n.length;",
        b"'use strict'\n[0];",
        b"'use strict'\nin a;",
        b"'use str\\x69ct';",
        b"a(); 'use strict';",
        b"/* a */ a(); /* b */ 'use strict';",
        b"('use strict');",
        b"'other' + a; 'use strict';",
    ],
)
def test_expression_is_no_directive(script: bytes) -> None:
    assert not is_strict(script)
