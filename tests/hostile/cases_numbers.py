"""What stands where a number should be: literals outside the grammar, values outside the limits, and the edges."""

from tests.hostile.case import MARKER, Case, named_with, request

_MALFORMED = {
    **{
        text: text for text in ("NaN", "-NaN", "nan", "Infinity", "-Infinity", "inf", "1.#INF", "1e", "1e+", "1.", ".5")
    },
    **{
        text: text
        for text in ("+1", "--1", "-", "01", "007", "0x1", "1_000", "1,5", "1.2.3", "1e2e3", "1f", "1L", "5..1")
    },
    "50 000 digits": "1" * 50_000,
    "-50 000 digits": "-" + "1" * 50_000,
    "4 301 digits": "1" * 4301,
    "50 000 zeros in front": "0" * 50_000 + "1",
    "an expression": "1+1",
    "a fraction": "7/5",
    "a percentage": "14%",
    "an imaginary number": "1.4j",
}

_INVALID = {
    **{text: text for text in ("1e400", "-1e400", "1e309", "1e308", "1e9999999999", "-1e-400", "1e-400", "0", "0.0")},
    **{
        text: text
        for text in ("-0.0", "-0", "-0e0", "0e400", "-1", "-0.0001", "-1e-300", "30.001", "31", "1e2", "99999")
    },
    **{
        text: text
        for text in ("true", "false", "null", '""', '"1.4"', '"NaN"', '" 1.4 "', "[1.4]", "[]", "{}", '{"v":1.4}')
    },
    "4 300 digits": "1" * 4300,
    "-4 300 digits": "-" + "1" * 4300,
    "2^31": str(2**31),
    "2^53+1": str(2**53 + 1),
    "2^63": str(2**63),
    "2^64": str(2**64),
    "10^308 in digits": "1" + "0" * 308,
    "10^400 in digits": "1" + "0" * 400,
    "30 and a bit": "30.000000000000004",
    "a long text": f'"{MARKER * 5000}"',
    "a text with a NUL": '"1.4\\u0000"',
    "a date": '"2026-01-01"',
    "a list of 10 000": "[" + "1," * 10_000 + "1]",
}

_ACCEPTED = {
    **{
        text: text
        for text in ("1", "1.4", "1.40", "14e-1", "0.14E+1", "0.14e1", "30", "30.0", "3e1", "1e-300", "5e-324")
    },
    "50 000 decimals": "1." + "4" * 50_000,
    "50 000 zeros behind": "1." + "0" * 50_000,
    "30 and less than a bit": "30.0000000000000001",
    "an exponent with zeros": "1e" + "0" * 1000 + "1",
}


def cases() -> list[Case]:
    return [
        Case(f"number: {name}", (request(body=named_with(text)),), (status,))
        for status, texts in ((400, _MALFORMED), (422, _INVALID), (200, _ACCEPTED))
        for name, text in texts.items()
    ]
