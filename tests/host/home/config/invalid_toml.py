r"""Texts that are no TOML 1.1, by the chapters that toml-test has for what parsers must refuse.

The texts are our own; the project's list (https://github.com/toml-lang/toml-test) says what to
think of. Each line of a chapter is one text; `\n` in it is a line feed.
"""

from __future__ import annotations

CHAPTERS: dict[str, str] = {
    "array": r"""
a = [
a = [1
a = [1,
a = [1 2]
a = [,]
a = [,1]
a = [1,,2]
a = [1], 2]
a = [1]]
a = [1] 2
a = ["x" "y"]
a = [{b = 1]
a = [1}
a = [[1]
a = [1\n[b]
a = [1 # comment ]
a = []\n[[a]]
a = [1]\n[a]
a = [{ b = 1 }]\n[[a]]\nc = 1
a = [{ b = 1 }]\n[a.c]
[[a.b]]\n[a]\nb.c = 1
[a]\n[[a]]
[[a]]\n[a]
a = 1\n[[a]]
[[a]]\n[[a.b]]\n[a.b]
[a.b]\n[[a]]
""",
    "bool": r"""
a = True
a = TRUE
a = False
a = tru
a = truer
a = fals
a = falsey
a = true false
a = truefalse
a = t
a = yes
a = on
a = truetrue
""",
    "control": r"""
a = "null \x00 here
a = "\u{41}"
a = 'open
""",
    "datetime": r"""
a = 2023-02-30T00:00:00Z
a = 2023-13-01T00:00:00Z
a = 2023-00-10T00:00:00Z
a = 2023-01-00T00:00:00Z
a = 2023-01-32T00:00:00Z
a = 2021-02-29T00:00:00Z
a = 2023-01-01T24:00:00Z
a = 2023-01-01T00:60:00Z
a = 2023-01-01T00:00:61Z
a = 2023-01-01T00:00:00+25:00
a = 2023-01-01T00:00:00+09:61
a = 2023-01-01T00:00:00+0900
a = 2023-01-01T00:00:00+9:00
a = 2023-01-01T00:00:00.Z
a = 2023-01-01T0:00:00Z
a = 2023-01-01T00:0:00Z
a = 2023-1-01T00:00:00Z
a = 2023-01-1T00:00:00Z
a = 23-01-01T00:00:00Z
a = 12023-01-01T00:00:00Z
a = 2023-01-01  00:00:00Z
a = 2023-01-01T
a = 2023-01-01TZ
a = 2023-01-01T00Z
a = 2023-01-01T00:00:00ZZ
a = 2023-01-01x00:00:00
a = 20230101T000000Z
a = +2023-01-01T00:00:00Z
a = 2023-01-01T00:00:00-
""",
    "local-date": r"""
a = 2023-02-29
a = 2023-04-31
a = 2023-00-01
a = 2023-1-1
a = 2023-01
a = 2023-01-
a = 2023-01-01x
a = 199-09-09
a = 10000-01-01
a = 2023/01/01
a = 01-01-2023
""",
    "local-time": r"""
a = 24:00:00
a = 00:60:00
a = 00:00:61
a = 0:00:00
a = 00:0:00
a = 00:00:0
a = 00:00:00.
a = 00:00:
a = 00:
a = T00:00:00
a = 00:00:00Z
a = 7:32
""",
    "encoding": r"""
a = ¬
a = …
ä = 1
a = 1 ¶
""",
    "float": r"""
a = 1.
a = .1
a = -.1
a = +.1
a = 1.e1
a = 1.e
a = 1e
a = 1e+
a = 1e1.1
a = 1.1.1
a = 1__0.0
a = _1.0
a = 1_.0
a = 1._0
a = 1.0_
a = 1e_1
a = 1_e1
a = 01.0
a = -01.0
a = 00.1
a = Inf
a = INF
a = NaN
a = NAN
a = infinity
a = +-1.0
a = --1.0
a = 1,5
a = 1.0f
a = 0x1.8p1
a = 1e1e1
a = - 1.0
""",
    "inline-table": r"""
a = {
a = { b = 1
a = { b = 1,
a = {,}
a = {, b = 1}
a = { b = 1,, c = 2 }
a = { b = 1 c = 2 }
a = { b }
a = { b = }
a = { = 1 }
a = { b = 1, b = 2 }
a = { b.c = 1, b = 2 }
a = { b = 1, b.c = 2 }
a = { b = { c = 1 }, b.d = 2 }
a = {}\n[a]
a = {}\na.b = 1
a = { b = 1 }\n[a.c]
a = { b = {} }\n[a.b]\nc = 1
a = { b = 1 ]
a = { b = 1 } c = 2
a = { b = [ }
a = { b: 1 }
a = b = 1
""",
    "integer": r"""
a = 01
a = -01
a = +01
a = 00
a = 0b
a = 0o
a = 0x
a = 0b2
a = 0o8
a = 0xg
a = 0B1
a = 0O7
a = 0XF
a = -0x1
a = +0b1
a = -0o7
a = 1__0
a = _1
a = 1_
a = 0x_1
a = 0x1_
a = 0b1__0
a = --1
a = ++1
a = +-1
a = - 1
a = 1 000
a = 1a
a = 0x1z
a = 1,000
a = +
a = -
""",
    "key": r"""
a
a =
= 1
a = 1 b = 2
a b = 1
a.
a. = 1
.a = 1
a..b = 1
. = 1
a = 1\na = 2
a = 1\n"a" = 2
a = 1\n'a' = 2
"a\u0062" = 1\nab = 2
a.b = 1\na.b = 2
a.b = 1\na = 2
a = 1\na.b = 2
a = 1\na.b.c = 2
"a = 1
'a = 1
"a" "b" = 1
a"b" = 1
"a"b = 1
+a = 1
a+b = 1
a# = 1
a[b] = 1
[a] = 1
{a} = 1
!a = 1
a! = 1
a:b = 1
a = 1, b = 2
a == 1
a := 1
a = = 1
a = 1;
"""
    '''"""a""" = 1
\'\'\'a\'\'\' = 1
''',
    "string": r"""
a = "
a = '
a = "x
a = 'x
a = x"
a = "x" y
a = "x"y"
a = 'x'y'
a = "\q"
a = "\ "
a = "\x"
a = "\x1"
a = "\xgg"
a = "\u1"
a = "\u12"
a = "\u123"
a = "\uzzzz"
a = "\U1234567"
a = "\U00110000"
a = "\UFFFFFFFF"
a = "\ud800"
a = "\uDFFF"
a = "\U0000D800"
a = "\400"
a = "\N"
a = "x\
a = "x\ny"
a = 'x\ny'
a = word
a = two words
a = `x`
a = “x”
a = "x"#\nb
a = 'it's'
"""
    r'''a = """
a = """x
a = """x""
a = """x"
a = """x""""""
a = """\q"""
a = """\ x"""
a = """\u00"""
a = """\ud800"""
a = """x""" y
'''
    + r"""a = '''
a = '''x
a = '''x''
a = '''x'''''''
a = '''x''' y
""",
    "table": r"""
[
[a
]
[]
[ ]
[a]]
[[a]
[[]]
[[ ]]
[[a
[a.]
[.a]
[a..b]
[.]
[a b]
[a] b
[a] b = 1
[a]b
[[a] ]
[ [a]]
[a]\n[a]
[a]\n["a"]
[a.b]\n[a.b]
[a]\nb = 1\n[a.b]
[a]\nb = 1\n[a.b.c]
[a]\nb.c = 1\n[a.b]
a.b = 1\n[a]
a.b.c = 1\n[a.b]
a = 1\n[a]
a = 1\n[a.b]
a = "x"\n[a.b.c]
["a]
['a]
["a"b]
["a" "b"]
[a="b"]
[a,b]
[a#b]
[a\n]
[\na]
[a[b]]
["a\nb"]
[{}]
[1 2]
""",
}


def texts(chapter: str) -> list[str]:
    """Return the texts of a chapter."""
    lines = [line for line in CHAPTERS[chapter].split("\n") if line]
    return [line.replace("\\n", "\n") for line in lines]
