"""Texts that mean something to whoever does not take them as text: a browser, Markdown, a terminal, a path, a sheet."""

ELSEWHERE = "198.51.100.7"
"""An address that belongs to nobody (RFC 5737), which nothing may ask."""

TEXTS = {
    "an image": f'<img src=http://{ELSEWHERE}/i.png onerror="window.pwned=1;alert(1)">',
    "a script": "<script>window.pwned=1;alert(1)</script>",
    "a drawing": '"><svg/onload=window.pwned=1>',
    "a frame": '<iframe srcdoc="<script>parent.window.pwned=1</script>"></iframe>',
    "a link": "[press](javascript:window.pwned=1)",
    "a picture": f"![x](http://{ELSEWHERE}/p.png)",
    "an address": f"http://{ELSEWHERE}/ www.{ELSEWHERE}.nip.io mailto:a@{ELSEWHERE}",
    "a formula": r"$\href{javascript:window.pwned=1}{x}$ $$\frac{1}{$$",
    "a directive": ":material/skull: :streamlit: :red-badge[x] :skull:",
    "Markdown": "# x\n\n| a | b |\n|---|---|\n**x** `x` ~~x~~ > x\n\n- x\n1. x\n---\n```\nx",
    "markup of a terminal": f"[/bold][red][link=http://{ELSEWHERE}]x[/link][/nothing]\\[",
    "control characters": "\x1b]0;pwned\x07\x1b[2J\x00\x08\r\n\t\x9b31m",
    "a line turned around": "abc\u202edcba\u2066\u200f",
    "half a character": "\ud800x\udfff",
    "a path": "../../../../../../tmp/faceoff-pwned",
    "an absolute path": "/tmp/faceoff-pwned",  # noqa: S108
    "a file's address": "file:///etc/passwd",
    "a sheet's formula": f'=HYPERLINK("http://{ELSEWHERE}/","x")',
    "a command": "$(touch /tmp/faceoff-pwned); `touch /tmp/faceoff-pwned` | sh",
    "an option": "--results=/tmp/faceoff-pwned",
    "SQL": "x'); DROP TABLE run; --",
    "a template": "{{7*7}}${7*7}%s%n{0.__class__}",
    "other letters": "Ω≈ç√ 田中 😀 e\u0301\u0301\u0301",
    "blanks": " \u00a0\u3000\t ",
}

LONG = {"300 characters": "x" * 300, "100 000 characters": "x" * 100_000}
NOWHERE = "/tmp/faceoff-pwned"  # noqa: S108
"""What several of these would write."""
